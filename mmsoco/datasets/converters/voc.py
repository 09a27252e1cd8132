"""Turns a data set in PASCAL VOC layout into COCO annotations.

Expects ROOT/Annotations/NAME.xml, ROOT/JPEGImages/ and, for ``--split``,
ROOT/ImageSets/Main/SPLIT.txt with a NAME per line. The pictures stay where
they are: the COCO file names them relative to ROOT/JPEGImages.

Classes get their ids in alphabetical order of all classes below
ROOT/Annotations, so that every split of a data set agrees; ``--classes``
chooses and orders them by hand, and leaves other objects out. Objects marked
as difficult become COCO's ``iscrowd``, which training ignores and the
evaluation does not count.

Boxes are clipped to the picture. What a picture can tell (its size, its name)
is repaired; a file that cannot be read is left out with its picture. All of
it is listed in one table. The exit status is 0 if nothing was left out, 3 if
something was, and 1 if no file was written; with ``--strict`` nothing is
written where anything is wrong. There are no masks: train a box detector,
such as Faster R-CNN, on the result.

Example::

    python tools/dataset_converters/voc2coco.py data/bccd train.json
        --split train

Splits of several data sets are joined, and the pictures named from their
common folder; for the usual benchmark::

    python tools/dataset_converters/voc2coco.py data/VOCdevkit
        data/VOCdevkit/annotations/voc0712_trainval.json
        --parts VOC2007/trainval VOC2012/trainval
    python tools/dataset_converters/voc2coco.py data/VOCdevkit
        data/VOCdevkit/annotations/voc07_test.json --parts VOC2007/test
"""

import argparse
import difflib
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from mmsoco.utils.files import write_json
from mmsoco.utils.problems import Outcome, Problems

from .voc_annotation import VocImage, VocObject
from .voc_folder import VocFolder

LOST_STATUS = 3
LOST, NOTE, MENDED = Outcome.LOST, Outcome.NOTE, Outcome.MENDED


def to_coco(images: Sequence[VocImage], classes: Sequence[str]) -> dict:
    """Makes a COCO document.

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
        problems: Gets what is wrong.

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
    return folder, [
        replace(image, file_name=f'{name}/JPEGImages/{image.file_name}')
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
        FileNotFoundError: A folder or a split's list is missing.
        ValueError: A class that was asked for is in no annotation, or
            nothing is left.
    """
    problems = Problems() if problems is None else problems
    if parts:
        read = [read_part(root, part, problems) for part in parts]
        folders = {folder.root: folder for folder, _ in read}
        images = [image for _, found in read for image in found]
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


def _check_classes(
    classes: Sequence[str], there: set[str], root: Path
) -> None:
    """Raise ValueError unless each class is in some annotation."""
    wrong = []
    for place, name in enumerate(classes):
        if name in classes[:place]:
            wrong.append(f'{name!r} comes twice')
        elif name not in there:
            plain = {other.casefold(): other for other in there}
            close = difflib.get_close_matches(name.casefold(), plain, n=1)
            hint = f' (did you mean {plain[close[0]]!r}?)' if close else ''
            wrong.append(f'{name!r} is in no annotation{hint}')
    if wrong:
        raise ValueError(
            f'--classes: {"; ".join(wrong)}. The classes of {str(root)!r} '
            f'are {sorted(there)}'
        )


def _note_capitals(there: set[str], problems: Problems) -> None:
    """Note classes that are most likely one."""
    by_plain: dict[str, list[str]] = {}
    for name in sorted(there):
        by_plain.setdefault(name.casefold(), []).append(name)
    for names in by_plain.values():
        if len(names) > 1:
            what = 'classes that differ by capitals alone: kept apart'
            problems.add(NOTE, what, ' / '.join(names))


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


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)
    return parser.parse_args(argv)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the conversion."""
    parser.add_argument('root', type=Path, help='folder of the VOC data set')
    parser.add_argument('out', type=Path, help='COCO JSON file to write')
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument('--split', help='list below ROOT/ImageSets/Main')
    chosen.add_argument(
        '--parts',
        nargs='+',
        default=(),
        metavar='SET/SPLIT',
        help='splits of several data sets below ROOT (VOC2007/trainval)',
    )
    parser.add_argument('--classes', nargs='+', help='names, in their order')
    parser.add_argument(
        '--strict',
        action='store_true',
        help='write nothing where anything had to be repaired or left out',
    )


def run(args: argparse.Namespace) -> int:
    """Convert what the command line names.

    Returns:
        The exit status: 0 if nothing was left out, else 3.

    Raises:
        OSError: A file cannot be read or written.
        ValueError: The data set cannot be used, or ``--strict`` refuses it.
    """
    problems = Problems()
    document = convert(
        args.root, args.split, args.classes, args.parts, problems
    )
    wrong = problems.count(LOST, MENDED)
    if args.strict and wrong:
        raise ValueError(
            f'{args.root}: {wrong} cases are wrong, and --strict refuses '
            f'them; {args.out} was not written\n{problems}'
        )
    write_json(args.out, document)
    lost = problems.count(LOST)
    print(
        f'{args.out}: {len(document["images"])} images, '
        f'{len(document["annotations"])} objects, classes '
        f'{[category["name"] for category in document["categories"]]}'
        + (f'; {lost} cases were LEFT OUT' if lost else '')
    )
    if problems:
        print(problems)
    return LOST_STATUS if lost else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line asks for; see `run`."""
    args = parse_args(argv)
    try:
        return run(args)
    except (OSError, ValueError) as error:
        sys.exit(f'voc2coco: {error}')


if __name__ == '__main__':
    sys.exit(main())
