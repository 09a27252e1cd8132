"""Rebuilds the data set ``bins`` from its public source.

The source is ATANU0023/garbage_detection_dataset (CC BY 4.0): ``train`` and
``valid`` with ``images`` and YOLO ``labels``. It has several files of most
photographs; here each photograph occurs once, at 320 pixels.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from mmsoco.images.lists import find_images
from mmsoco.images.writing import write_jpeg_or_png
from mmsoco.utils.files import write_json

CLASSES = ('garbage', 'garbage_bin', 'overflow')
LONGEST_SIDE = 320
QUALITY = 88
LEAST_SIDE = 1.0  # pixels; smaller boxes are dropped
# The part of a file's name before this is the photograph.
VARIANT = '.rf.'


class Split(NamedTuple):
    """A part of the data set.

    Attributes:
        name: Its name here.
        source: Its folder in the source.
        pictures: Photographs that are taken.
        photographs: Photographs that the source has.
        sha256: Of the annotations, see `content_hash`.
    """

    name: str
    source: str
    pictures: int
    photographs: int
    sha256: str


SPLITS = (
    Split(
        'train', 'train', 2000, 2679,
        '5f312d3704986af7d7faed86f7a4f0c2362ffdb9067a3b778c31207b948b62dd',
    ),
    Split(
        'val', 'valid', 400, 670,
        '1df147a5618824f20677132908ed49291b65bcce969dfe5949226d14b2c1b0f4',
    ),
)  # fmt: skip


def photographs(names: Iterable[str]) -> list[str]:
    """Return the first file by name of each photograph, sorted."""
    first: dict[str, str] = {}
    for name in sorted(names):
        first.setdefault(name.partition(VARIANT)[0], name)
    return [first[key] for key in sorted(first)]


def evenly(names: Sequence[str], number: int) -> list[str]:
    """Take names at even distances: floor(i * len(names) / number)."""
    return [names[i * len(names) // number] for i in range(number)]


def read_boxes(
    text: str, size: tuple[int, int], where: str
) -> list[tuple[int, list[float]]]:
    """Read YOLO labels.

    Args:
        text: Per line a class and either center and size of a box, or the
            corners of a polygon, as parts of the picture.
        size: (h, w) of the picture, pixels.
        where: The file, for messages.

    Returns:
        Class and xywh box in pixels, clipped and rounded to 0.01; without
        boxes that are smaller than a pixel.

    Raises:
        ValueError: If a line is something else.
    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words:
            continue
        try:
            label, *values = int(words[0]), *map(float, words[1:])
            corners = _corners(values)
        except ValueError as error:
            raise ValueError(f'{where}:{number}: {error}') from None
        if not 0 <= label < len(CLASSES):
            raise ValueError(
                f'{where}:{number}: expected a class of 0 to '
                f'{len(CLASSES) - 1}, got {label}'
            )
        box = _box(corners, size)
        if min(box[2:]) >= LEAST_SIDE:
            found.append((label, box))
    return found


def _corners(values: Sequence[float]) -> tuple[float, ...]:
    """Return x1, y1, x2, y2 as parts of the picture."""
    if len(values) == 4:
        x, y, w, h = values
        return x - w / 2, y - h / 2, x + w / 2, y + h / 2
    if len(values) < 6 or len(values) % 2:
        raise ValueError(
            'expected a class and 4 numbers of a box or 6 and more of a '
            f'polygon, got {len(values)} numbers'
        )
    xs, ys = values[::2], values[1::2]
    return min(xs), min(ys), max(xs), max(ys)


def _box(corners: Sequence[float], size: tuple[int, int]) -> list[float]:
    height, width = size
    x1, y1, x2, y2 = (
        min(max(part * side, 0), side)
        for part, side in zip(corners, (width, height) * 2, strict=True)
    )
    return [round(v, 2) for v in (x1, y1, x2 - x1, y2 - y1)]


def shrunk(size: tuple[int, int]) -> tuple[int, int]:
    """Return (h, w) with the longest side at most 320."""
    longest = max(size)
    if longest <= LONGEST_SIDE:
        return size
    height, width = (max(1, round(v * LONGEST_SIDE / longest)) for v in size)
    return height, width


def convert(source: Path, out: Path, split: Split) -> dict:
    """Make the pictures and the annotations of a split.

    Args:
        source: Folder of the source.
        out: Folder of the data set; the split's pictures go to a folder and
            its annotations to a file of its name.
        split: The split.

    Returns:
        The COCO annotations.

    Raises:
        FileNotFoundError: If the source lacks a folder or a label file.
        ValueError: If the source has another number of photographs, or labels
            that cannot be read.
    """
    folder = source / split.source
    names = photographs(find_images(folder / 'images').names)
    if len(names) != split.photographs:
        raise ValueError(
            f'{folder} has {len(names)} photographs, expected '
            f'{split.photographs}: it is not the source, or not complete'
        )
    images: list[dict] = []
    annotations: list[dict] = []
    for number, name in enumerate(evenly(names, split.pictures), 1):
        labels = folder / 'labels' / f'{name.rpartition(".")[0]}.txt'
        file_name = f'{split.name}_{number:04d}.jpg'
        size = _write_picture(
            folder / 'images' / name, out / split.name / file_name
        )
        images.append(
            dict(
                id=number, file_name=file_name, width=size[1], height=size[0]
            )
        )  # fmt: skip
        text = labels.read_text(encoding='utf-8')
        for label, box in read_boxes(text, size, str(labels)):
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=number,
                    category_id=label + 1,
                    bbox=box,
                    area=round(box[2] * box[3], 2),
                    iscrowd=0,
                )
            )
    categories = [dict(id=i, name=n) for i, n in enumerate(CLASSES, 1)]
    document = dict(
        images=images, annotations=annotations, categories=categories
    )
    write_json(out / f'{split.name}.json', document)
    return document


def _write_picture(source: Path, target: Path) -> tuple[int, int]:
    """Write a picture at its size here; return (h, w)."""
    with Image.open(source) as picture:
        height, width = shrunk((picture.height, picture.width))
        small = picture.convert('RGB')
        if small.size != (width, height):
            small = small.resize((width, height), Image.Resampling.LANCZOS)
        write_jpeg_or_png(small, target, QUALITY)
    return height, width


def content_hash(document: dict) -> str:
    """Return the SHA-256 of annotations, however their file is laid out."""
    text = json.dumps(document, sort_keys=True, separators=(',', ':'))
    return hashlib.sha256(text.encode()).hexdigest()
