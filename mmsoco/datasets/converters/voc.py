"""Turn a data set in PASCAL VOC layout into COCO annotations.

Expects ROOT/Annotations/NAME.xml, ROOT/JPEGImages/ and, for a split,
ROOT/ImageSets/Main/SPLIT.txt with a NAME per line; or pictures and XML files
together in ROOT. The pictures stay where they are: the COCO file names them
relative to their folder.

Classes get their ids in alphabetical order of all classes in the folder of the
annotations, so that every split of a data set agrees; they can be chosen
and ordered by hand, and other objects are left out then. Objects marked
as difficult become COCO's ``iscrowd``, which training ignores and the
evaluation does not count.

Boxes are clipped to the picture. Values that the picture gives (its size, its
name) are repaired; a file that cannot be read is left out with its picture.
All of this is counted. There are no masks: train a box detector, such as
Faster R-CNN, on the result.
"""

import itertools
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from mmsoco.utils.names import near
from mmsoco.utils.problems import Outcome, Problems

from .voc_annotation import VocImage, VocObject
from .voc_folder import VocFolder

NOTE = Outcome.NOTE


def to_coco(images: Sequence[VocImage], classes: Sequence[str]) -> dict:
    """Make a COCO document.

    Args:
        images: In the order of their ids.
        classes: In the order of their ids; other objects are left out.

    Returns:
        ``images``, ``annotations`` and ``categories``; ids count from 1.
    """
    ids = {name: index for index, name in enumerate(classes, start=1)}
    document: dict[str, list] = dict(
        images=[],
        annotations=[],
        categories=[dict(id=ids[name], name=name) for name in classes],
    )
    for image_id, image in enumerate(images, start=1):
        document['images'].append(
            dict(
                id=image_id,
                file_name=image.file_name,
                height=image.height,
                width=image.width,
            )
        )
        for thing in image.objects:
            if thing.name in ids:
                document['annotations'].append(
                    _coco_annotation(
                        thing,
                        len(document['annotations']) + 1,
                        image_id,
                        ids[thing.name],
                    )
                )
    return document


def _coco_annotation(
    thing: VocObject, annotation_id: int, image_id: int, category_id: int
) -> dict:
    return dict(
        id=annotation_id,
        image_id=image_id,
        category_id=category_id,
        bbox=list(thing.bbox),
        area=thing.bbox[2] * thing.bbox[3],
        iscrowd=int(thing.difficult),
    )


def read_part(
    root: Path, part: str, problems: Problems
) -> tuple[VocFolder, list[VocImage]]:
    """Read a split of one of several data sets.

    Args:
        root: Folder of the data sets, such as VOCdevkit.
        part: Data set and split, such as ``VOC2007/trainval``.
        problems: Collects the problems.

    Returns:
        The data set, and its images, named relative to ``root``.

    Raises:
        ValueError: If ``part`` does not name both, or leaves ``root``.
    """
    name, _, split = part.rpartition('/')
    if not name or not split or name.startswith('/') or '..' in name:
        raise ValueError(
            f'expected parts such as VOC2007/trainval, got {part!r}'
        )
    folder = VocFolder(root / name, problems)
    pictures = folder.pictures.relative_to(root).as_posix()
    return folder, [
        replace(image, file_name=f'{pictures}/{image.file_name}')
        for image in folder.read(folder.split(split))
    ]


def convert(
    root: Path,
    split: str | None = None,
    classes: Sequence[str] | None = None,
    parts: Sequence[str] = (),
    problems: Problems | None = None,
) -> dict:
    """Read VOC data as a COCO document.

    Args:
        root: Folder of the data set, or of several with ``parts``.
        split: Name of the split, all annotations if None.
        classes: Names in the order of their ids; found if None.
        parts: Splits of several data sets, see :func:`read_part`.
        problems: Gets what was repaired or left out.

    Raises:
        FileNotFoundError: If a folder or a split's list is missing.
        ValueError: If a class that was asked for is in no annotation, or
            nothing is left.
    """
    problems = Problems() if problems is None else problems
    if parts:
        read = [read_part(root, part, problems) for part in parts]
        folders = {folder.root: folder for folder, _ in read}
        images = _once(itertools.chain(*(i for _, i in read)), problems)
    else:
        folder = VocFolder(root, problems)
        folders = {root: folder}
        images = folder.read(folder.split(split))
    there = set().union(*(f.class_names() for f in folders.values()))
    if classes is not None:
        _check_classes(classes, there, root)
    _note_capitals(there, problems)
    _note_others(images, classes, problems)
    document = to_coco(images, classes or sorted(there))
    if not document['annotations']:
        text = f'no object of {list(classes or sorted(there))} is left in '
        text += f'{len(images)} annotations of {str(root)!r}'
        raise ValueError('\n'.join(filter(None, [text, str(problems)])))
    return document


def _once(images: Iterable[VocImage], problems: Problems) -> list[VocImage]:
    """Take pictures that are in several splits once."""
    taken: dict[str, VocImage] = {}
    for image in images:
        if image.file_name in taken:
            what = 'in more than one of the splits: taken once'
            problems.add(NOTE, what, image.file_name)
        taken.setdefault(image.file_name, image)
    return list(taken.values())


def _check_classes(
    classes: Sequence[str], there: set[str], root: Path
) -> None:
    """Raise ValueError unless each class is in some annotation."""
    wrong = []
    for place, name in enumerate(classes):
        if name in classes[:place]:
            wrong.append(f'{name!r} comes twice')
        elif name not in there:
            wrong.append(f'{name!r} is in no annotation{near(name, there)}')
    if wrong:
        raise ValueError(
            f'--classes: {", ".join(wrong)} (the classes of {str(root)!r} '
            f'are {sorted(there)})'
        )


def _note_capitals(there: set[str], problems: Problems) -> None:
    """Note classes that are most likely one."""
    by_plain: dict[str, list[str]] = {}
    for name in sorted(there):
        by_plain.setdefault(_plain(name), []).append(name)
    for names in by_plain.values():
        if len(names) > 1:
            what = (
                'classes that differ by capitals, Unicode form or invisible '
                'characters alone: kept apart'
            )
            problems.add(NOTE, what, ' / '.join(map(ascii, names)))


def _plain(name: str) -> str:
    """Fold capitals, Unicode forms and invisible characters of a name."""
    folded = unicodedata.normalize('NFKC', name).casefold()
    # Such as zero-width spaces.
    return ''.join(c for c in folded if unicodedata.category(c) != 'Cf')


def _note_others(
    images: Iterable[VocImage],
    classes: Sequence[str] | None,
    problems: Problems,
) -> None:
    """Note objects of classes that were not asked for."""
    if classes is None:
        return
    for image in images:
        for thing in image.objects:
            if thing.name not in classes:
                what = 'object of a class that --classes does not name'
                problems.add(NOTE, what, f'{thing.name} in {image.file_name}')
