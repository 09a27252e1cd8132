"""Read labels, check every object, and repair what can be repaired.

Files are COCO documents, or data sets in PASCAL VOC layout, which are
converted first.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmsoco.images.reading import is_turned
from mmsoco.utils.problems import Outcome, Problems

from .class_counts import count_objects
from .coco_document import read_document
from .coco_repair import repair_document
from .label_pictures import find_pictures, leave_out, size_reader
from .labels import Labels, is_voc


def read_labels(
    path: str | os.PathLike,
    images: str | os.PathLike | None = None,
    classes: Sequence[str] | None = None,
    unlabelled: bool = False,
    partial: bool = False,
) -> Labels:
    """Read labels, check every object and repair what can be repaired.

    What cannot be repaired is in ``Labels.problems`` with the outcome STOP;
    `check_labels` raises on it.

    Args:
        path: A COCO JSON file; or the folder of a VOC data set, or its list
            ``ImageSets/Main/SPLIT.txt``.
        images: Folder that the file's names are relative to; a VOC data set
            has its own.
        classes: Names in the order of a detector's labels. The classes of
            the file are brought into this order, and others are not used.
        unlabelled: Whether a COCO file may come without objects.
        partial: Whether the folder may have a part of the pictures only:
            the others are left out with their objects.

    Raises:
        FileNotFoundError: If the file or the folder is not there, or with
            ``partial`` none of the pictures is.
        ValueError: If the file has another layout.
    """
    path = Path(path)
    problems = Problems()
    if is_voc(path):
        document, images = _read_voc(path, images, problems)
        _add_absent_classes(document, classes or (), problems)
    else:
        document = read_document(path, unlabelled, problems)
    images = _picture_folder(path, images)
    missing = find_pictures(
        document['images'],
        images,
        Outcome.LOST if partial else Outcome.STOP,
        problems,
    )
    if partial and missing:
        leave_out(document, missing, path, images)
    sizes = size_reader(document['images'], images, problems)
    maskless = repair_document(
        document, sizes, lambda name: is_turned(images / name), problems
    )
    if classes is not None:
        _order_categories(document, classes, problems)
    chosen = None if classes is None else tuple(classes)
    counts, num_masks = count_objects(document, chosen)
    return Labels(
        path=path,
        images=images,
        document=document,
        all_counts=counts,
        chosen=chosen,
        num_masks=num_masks,
        maskless=tuple(maskless),
        problems=problems,
    )


def _read_voc(
    path: Path, images: str | os.PathLike | None, problems: Problems
) -> tuple[dict[str, Any], Path]:
    """Convert a VOC data set; give the document and its pictures' folder."""
    from .converters import voc, voc_folder  # late: COCO does not need them

    root, split = path, None
    if not path.is_dir():
        lists = path.absolute().parent
        if lists.parts[-2:] != ('ImageSets', 'Main'):
            raise ValueError(
                f'{str(path)!r} is not a list in ImageSets/Main of a PASCAL '
                'VOC data set; convert YOLO text files to COCO JSON'
            )
        root, split = lists.parents[1], path.stem
    document = voc.convert(root, split, problems=problems)
    return document, Path(images or voc_folder.find_folders(root)[1])


def _add_absent_classes(
    document: dict, classes: Sequence[str], problems: Problems
) -> None:
    """Add the classes that a part of a VOC data set has no object of.

    VOC has no list of classes. With a class that is not among ``classes``,
    one of them is more likely misspelled, and none is added.
    """
    categories = document['categories']
    there = {category['name'] for category in categories}
    if not there <= set(classes):
        return
    for name in classes:
        if name not in there:
            categories.append(dict(id=len(categories) + 1, name=name))
            problems.add(Outcome.NOTE, 'class without an object', name)


def _picture_folder(path: Path, images: str | os.PathLike | None) -> Path:
    """Return the folder of the pictures.

    Raises:
        FileNotFoundError: If it is not there.
        NotADirectoryError: If it is a file.
        ValueError: If it was not given.
    """
    if images is None:
        raise ValueError(f'name the folder of the pictures of {str(path)!r}')
    images = Path(images)
    if images.is_file():
        raise NotADirectoryError(
            f'expected the folder of the pictures of {str(path)!r}, but '
            f'{str(images)!r} is a file; labels are checked against loose '
            'pictures: unpack a tar file (tar xf), and name the folder'
        )
    if not images.is_dir():
        raise FileNotFoundError(
            f'{str(images)!r}, the folder of the pictures of {str(path)!r}, '
            'does not exist'
        )
    return images


def _order_categories(
    document: dict, classes: Sequence[str], problems: Problems
) -> None:
    """Sort the categories as a config does.

    mmdet numbers a file's classes in the file's order, whatever order the
    config names them in.
    """
    places = {name: place for place, name in enumerate(classes)}
    categories = document['categories']
    wanted = sorted(
        categories, key=lambda c: places.get(c['name'], len(places))
    )
    chosen = [c['name'] for c in categories if c['name'] in places]
    if chosen != [c['name'] for c in wanted if c['name'] in places]:
        document['categories'] = wanted
        problems.add(
            Outcome.REPAIRED,
            "the file's classes come in another order: sorted as the config's",
            ', '.join(chosen[:5]),
        )
