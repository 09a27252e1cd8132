"""Makes annotations in PASCAL VOC's format."""

from collections.abc import Sequence


def object_xml(name: str, box: Sequence, difficult: str = '0') -> str:
    """Return an object with a box x1, y1, x2, y2."""
    corners = zip(('xmin', 'ymin', 'xmax', 'ymax'), box, strict=True)
    inside = ''.join(f'<{tag}>{value}</{tag}>' for tag, value in corners)
    return (
        f'<object><name>{name}</name><difficult>{difficult}</difficult>'
        f'<bndbox>{inside}</bndbox></object>'
    )


def annotation_xml(
    file_name: str, *objects: str, size: tuple[int, int] = (80, 100)
) -> str:
    """Return the annotation of a picture of a size (h, w)."""
    height, width = size
    return (
        f'<annotation><filename>{file_name}</filename><size>'
        f'<width>{width}</width><height>{height}</height><depth>3</depth>'
        f'</size>{"".join(objects)}</annotation>'
    )
