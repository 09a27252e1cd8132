"""Turns a data set in PASCAL VOC layout into COCO annotations.

Expects ROOT/Annotations/NAME.xml, ROOT/JPEGImages/ and, for ``--split``,
ROOT/ImageSets/Main/SPLIT.txt with a NAME per line. The pictures stay where
they are: the COCO file names them relative to ROOT/JPEGImages.

Classes get their ids in alphabetical order of all classes below
ROOT/Annotations, so that every split of a data set agrees; ``--classes``
chooses and orders them by hand, and leaves other objects out. Objects marked
as difficult become COCO's ``iscrowd``, which training ignores and the
evaluation does not count.

VOC's corners are 1-based and inclusive: a box (xmin, ymin, xmax, ymax) covers
x from xmin - 1 to xmax. Boxes are clipped to the picture. There are no masks:
train a box detector, such as Faster R-CNN, on the result.

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
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mmsoco.utils.files import write_json


class AnnotationError(ValueError):
    """A VOC file that cannot be used; the message names it."""


@dataclass(frozen=True)
class VocObject:
    """An object of a VOC annotation.

    Attributes:
        name: Its class.
        bbox: x, y, width, height in pixels, absolute, continuous (COCO).
        difficult: Whether VOC leaves it out of the evaluation.
    """

    name: str
    bbox: tuple[float, float, float, float]
    difficult: bool


@dataclass(frozen=True)
class VocImage:
    """A VOC annotation.

    Attributes:
        file_name: Name of the picture.
        height: Its height in pixels.
        width: Its width in pixels.
        objects: What is on it.
    """

    file_name: str
    height: int
    width: int
    objects: tuple[VocObject, ...]


def _text(node: ElementTree.Element, tag: str, path: Path) -> str:
    text = node.findtext(tag)
    if text is None or not text.strip():
        raise AnnotationError(
            f'{path}: <{node.tag}> has no <{tag}>; expected a PASCAL VOC '
            'annotation'
        )
    return text.strip()


def _number(node: ElementTree.Element, tag: str, path: Path) -> float:
    text = _text(node, tag, path)
    try:
        return float(text)
    except ValueError:
        raise AnnotationError(
            f'{path}: expected a number in <{tag}>, got {text!r}'
        ) from None


def read_object(
    node: ElementTree.Element, height: int, width: int, path: Path
) -> VocObject:
    """Reads an ``<object>``.

    Args:
        node: The element.
        height: Height of the picture; boxes are clipped to it.
        width: Its width.
        path: File that it stands in, for the messages.

    Raises:
        AnnotationError: a part is missing, or nothing is left of the box.
    """
    box = node.find('bndbox')
    if box is None:
        raise AnnotationError(f'{path}: an <object> has no <bndbox>')
    x1, y1, x2, y2 = (
        _number(box, tag, path) for tag in ('xmin', 'ymin', 'xmax', 'ymax')
    )
    corners = f'xmin={x1:g}, ymin={y1:g}, xmax={x2:g}, ymax={y2:g}'
    if x2 < x1 or y2 < y1:
        raise AnnotationError(f'{path}: the box {corners} has swapped corners')
    left, top = max(x1 - 1, 0.0), max(y1 - 1, 0.0)
    right, bottom = min(x2, width), min(y2, height)
    if right <= left or bottom <= top:
        raise AnnotationError(
            f'{path}: the box {corners} lies outside of the picture of '
            f'{width}x{height} pixels'
        )
    return VocObject(
        name=_text(node, 'name', path),
        bbox=(left, top, right - left, bottom - top),
        difficult=(node.findtext('difficult') or '0').strip() == '1',
    )


def read_annotation(path: Path) -> VocImage:
    """Reads a VOC annotation.

    Args:
        path: The XML file.

    Raises:
        FileNotFoundError: there is no such file.
        AnnotationError: it is no VOC annotation.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise AnnotationError(f'{path} is no XML file: {error}') from None
    size = root.find('size')
    if size is None:
        raise AnnotationError(f'{path}: no <size>; expected width and height')
    height = int(_number(size, 'height', path))
    width = int(_number(size, 'width', path))
    return VocImage(
        file_name=_text(root, 'filename', path),
        height=height,
        width=width,
        objects=tuple(
            read_object(node, height, width, path)
            for node in root.findall('object')
        ),
    )


def find_picture(folder: Path, stem: str, named: str) -> str:
    """Finds the picture of an annotation.

    Data sets that were renamed often keep the old name inside of their XML
    files, so the name of the XML file itself comes first.

    Args:
        folder: Folder of the pictures.
        stem: Name of the annotation without ``.xml``.
        named: What the annotation calls the picture.

    Raises:
        FileNotFoundError: no picture has either name.
    """
    endings = ('.jpg', '.jpeg', '.png', '.JPG', '.JPEG', '.PNG')
    for name in (*(stem + ending for ending in endings), named):
        if (folder / name).is_file():
            return name
    raise FileNotFoundError(
        f'no picture for {stem}.xml in {folder}: looked for {stem}.jpg (or '
        f'.jpeg, .png) and {named}'
    )


def split_names(root: Path, split: str | None) -> list[str]:
    """Lists the annotations of a split, all of them without a split.

    Raises:
        FileNotFoundError: the split or the folder of annotations is missing.
    """
    if split is None:
        names = sorted(
            path.stem for path in (root / 'Annotations').glob('*.xml')
        )
        if not names:
            raise FileNotFoundError(
                f'no *.xml in {root / "Annotations"}; expected a PASCAL VOC '
                'data set'
            )
        return names
    path = root / 'ImageSets' / 'Main' / f'{split}.txt'
    if not path.is_file():
        there = sorted(p.stem for p in path.parent.glob('*.txt'))
        raise FileNotFoundError(f'{path} is missing; there are {there}')
    # lists of one class have a second column, 1 or -1
    return [
        line.split()[0]
        for line in path.read_text().split('\n')
        if line.strip()
    ]


def find_classes(images: Sequence[VocImage]) -> list[str]:
    """Returns the names of all classes in alphabetical order."""
    return sorted({thing.name for image in images for thing in image.objects})


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


def read_images(root: Path, split: str | None) -> list[VocImage]:
    """Reads the annotations of a split.

    Args:
        root: Folder of the data set.
        split: Name of the split, all annotations if None.

    Raises:
        FileNotFoundError: a file that is named somewhere is missing.
        AnnotationError: an annotation cannot be used.
    """
    images = []
    for name in split_names(root, split):
        image = read_annotation(root / 'Annotations' / f'{name}.xml')
        picture = find_picture(root / 'JPEGImages', name, image.file_name)
        images.append(replace(image, file_name=picture))
    return images


def read_part(root: Path, part: str) -> list[VocImage]:
    """Reads a split of one of several data sets.

    Args:
        root: Folder of the data sets, such as VOCdevkit.
        part: Data set and split, such as ``VOC2007/trainval``.

    Returns:
        The images, named relative to ``root``.

    Raises:
        AnnotationError: ``part`` does not name both.
    """
    folder, _, split = part.rpartition('/')
    if not folder or not split:
        raise AnnotationError(
            f'expected parts such as VOC2007/trainval, got {part!r}'
        )
    return [
        replace(image, file_name=f'{folder}/JPEGImages/{image.file_name}')
        for image in read_images(root / folder, split)
    ]


def all_classes(roots: Iterable[Path]) -> list[str]:
    """The classes of all annotations of some data sets, alphabetically."""
    return find_classes(
        [
            read_annotation(root / 'Annotations' / f'{name}.xml')
            for root in roots
            for name in split_names(root, None)
        ]
    )


def convert(
    root: Path,
    split: str | None = None,
    classes: Sequence[str] | None = None,
    parts: Sequence[str] = (),
) -> dict:
    """Reads VOC data as a COCO document.

    Args:
        root: Folder of the data set, or of several with ``parts``.
        split: Name of the split, all annotations if None.
        classes: Names in the order of their ids; found if None.
        parts: Splits of several data sets, see :func:`read_part`.

    Raises:
        FileNotFoundError: a file that is named somewhere is missing.
        AnnotationError: an annotation cannot be used, or none has a class
            that was asked for.
    """
    if parts:
        images = [image for part in parts for image in read_part(root, part)]
        roots = {root / part.rpartition('/')[0] for part in parts}
    else:
        images, roots = read_images(root, split), {root}
    document = to_coco(images, classes or all_classes(roots))
    if not document['annotations']:
        raise AnnotationError(
            f'{root}: no object of {classes} in {len(images)} annotations, '
            f'but {find_classes(images)}'
        )
    return document


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
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
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Converts what the command line names."""
    args = parse_args(argv)
    try:
        document = convert(args.root, args.split, args.classes, args.parts)
        write_json(args.out, document)
    except (OSError, AnnotationError) as error:
        sys.exit(f'voc2coco: {error}')
    print(
        f'{args.out}: {len(document["images"])} images, '
        f'{len(document["annotations"])} objects, classes '
        f'{[category["name"] for category in document["categories"]]}'
    )


if __name__ == '__main__':
    main()
