"""Compare the size that a label file reports with the picture's own."""

from collections.abc import Callable
from typing import Any

from mmsoco.utils.problems import Outcome, Problems

# Detectors read such a picture upright, and the boxes would be misplaced.
TURNED = (
    'picture is turned by its EXIF tag, but its labels are of the picture as '
    'it is stored: turn the pixels and drop the tag, or turn the labels'
)

Size = tuple[int, int]
# A label file may contain anything.
Reported = tuple[Any, Any]


def is_of_stored_picture(
    reported: Reported, size: Size, is_turned: Callable[[], bool]
) -> bool:
    """Return whether labels are of a picture before EXIF turns it.

    Args:
        reported: The (height, width) in the label file.
        size: The (height, width) of the picture as detectors read it.
        is_turned: Returns whether EXIF rotates the picture by 90 degrees. It
            is called only if the sizes allow it, since it opens the file.
    """
    return reported == size[::-1] and size[0] != size[1] and is_turned()


def report_other_size(
    reported: Reported | None, size: Size, where: str, problems: Problems
) -> None:
    """Report a size that differs from the picture's, which replaces it.

    Args:
        reported: The (height, width) in the label file, None if unusable.
        size: The (height, width) of the picture.
        where: The name of the entry in a report.
        problems: Changed.
    """
    if reported == size:
        return
    if reported is None:
        what = 'no usable height and width'
    elif reported == size[::-1]:
        what = 'height and width are swapped'
    else:
        what = "size differs from the picture's"
    problems.add(Outcome.REPAIRED, f'{what}: taken from the picture', where)
