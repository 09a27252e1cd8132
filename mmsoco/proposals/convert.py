"""Exchange stores with JSON: SoCo's published layout and COCO's.

The published layout is ``{basename: [[x, y, w, h], ...]}``, where x + w and y
+ h are our x2 and y2. COCO-style JSON lists images with their sizes, and each
box as an annotation with ``bbox`` x, y, w, h; it has everything that a store
has.
"""

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from mmsoco.images.errors import NOT_A_FILE, UnreadableImageError
from mmsoco.images.listed_names import clean_name
from mmsoco.images.opening import open_images
from mmsoco.images.source import Extent, ImageSource
from mmsoco.images.stamps import FileStamp
from mmsoco.proposals.json_boxes import record_of, size_of
from mmsoco.proposals.records import ProposalRecord
from mmsoco.proposals.store import (
    COUNTED,
    ProposalStore,
    ProposalStoreWriter,
)
from mmsoco.utils.problems import Outcome, Problems
from mmsoco.utils.texts import decode_text, parse_json

LOST, REPAIRED = Outcome.LOST, Outcome.REPAIRED
NOTE, STOP = Outcome.NOTE, Outcome.STOP


def export_published(store: ProposalStore) -> dict[str, list[list[int]]]:
    """Turn a store into the published layout.

    Raises:
        ValueError: If two images have the same name in different folders,
            which that layout cannot distinguish.
    """
    names = [store.file_name(i) for i in range(len(store))]
    _refuse_ambiguous(names, 'export as COCO-style JSON instead')
    return {
        PurePosixPath(record.file_name).name: _to_xywh(record)
        for record in store
    }


def import_published(
    content: dict[str, Any],
    image_root: str | os.PathLike,
    skip_missing: bool = False,
    problems: Problems | None = None,
) -> list[ProposalRecord]:
    """Read the published layout, with the images' sizes from their files.

    Args:
        content: The parsed JSON.
        image_root: Where the images are, at any depth.
        skip_missing: Leave out images that are missing, as in a subset.
        problems: Gets what was repaired or left out.

    Returns:
        Records sorted by file name.

    Raises:
        ValueError: If images are missing or found twice (the message lists
            them), or nothing is left.
    """
    problems = Problems() if problems is None else problems
    by_name: dict[str, list[str]] = {}
    images = open_images(image_root)
    for name in images.find().names:
        by_name.setdefault(PurePosixPath(name).name, []).append(name)
    records, wrong = [], Problems()
    for basename, xywh in content.items():
        found = by_name.get(basename, [])
        if not found and skip_missing:
            problems.add(NOTE, 'image is not in the folder', basename)
        elif len(found) != 1:
            what = f'found {len(found)} times in the folder, expected once'
            wrong.add(STOP, what, basename)
        elif size := _read_size(images, found[0], problems):
            records.append(record_of(found[0], size, xywh, None, problems))
    if wrong:
        raise ValueError(
            f'{wrong.count()} of {len(content)} images are not to be found '
            f'once in {str(image_root)!r} or below; name the folder whose '
            f'proposals these are, or --skip-missing\n{wrong}'
        )
    return _sorted(records, problems)


def _read_size(
    images: ImageSource, name: str, problems: Problems
) -> tuple[int, int] | None:
    """Read an image's size, None if it cannot be read."""
    try:
        return images.read_size(name)
    except UnreadableImageError as e:
        problems.add(LOST, 'image that cannot be read', f'{name}: {e.reason}')
        return None


def _sorted(
    records: list[ProposalRecord], problems: Problems
) -> list[ProposalRecord]:
    """Sort records by name.

    Raises:
        ValueError: If none is left, or an image occurs twice.
    """
    counts = Counter(record.file_name for record in records)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise ValueError(
            f'{len(twice)} images are there twice, such as {twice[0]!r}'
        )
    if not records:
        raise ValueError(f'there are no proposals of any image\n{problems}')
    return sorted(records, key=lambda record: record.file_name)


def export_coco(store: ProposalStore) -> dict[str, Any]:
    """Turn a store into COCO-style JSON, one annotation per proposal."""
    images: list[dict] = []
    annotations: list[dict] = []
    for image_id, record in enumerate(store, start=1):
        images.append(
            {
                'id': image_id,
                'file_name': record.file_name,
                'height': record.height,
                'width': record.width,
                'fallback': record.fallback,
                'stamp': record.stamp,
                'extent': record.extent,
            }
        )
        annotations += [
            {
                'id': len(annotations) + number,
                'image_id': image_id,
                'category_id': 1,
                'bbox': xywh,
                'area': xywh[2] * xywh[3],
                'iscrowd': 0,
            }
            for number, xywh in enumerate(_to_xywh(record), start=1)
        ]
    return {
        'info': {'proposals': store.metadata},
        'images': images,
        'annotations': annotations,
        'categories': [{'id': 1, 'name': 'proposal'}],
    }


# The export of a store, by the name of the layout.
EXPORTS = {'coco': export_coco, 'published': export_published}


def import_coco(
    content: dict[str, Any],
    image_root: str | os.PathLike | None = None,
    problems: Problems | None = None,
) -> list[ProposalRecord]:
    """Read COCO-style JSON; boxes of all categories become proposals.

    Args:
        content: The parsed JSON.
        image_root: The image folder, from which sizes are read that the file
            does not have.
        problems: Gets what was repaired or left out.

    Returns:
        Records sorted by file name.

    Raises:
        ValueError: If a section is missing, two images have one id or name,
            or nothing is left.
    """
    problems = Problems() if problems is None else problems
    images, annotations = _sections(content)
    boxes: dict[Any, list] = {repr(image.get('id')): [] for image in images}
    if len(boxes) != len(images):
        raise ValueError('not COCO-style: two images have the same id')
    for annotation in annotations:
        own = boxes.get(repr(annotation.get('image_id')))
        if own is None:
            where = f'annotation {annotation.get("id", "?")}'
            problems.add(LOST, 'box of an image that is not listed', where)
        else:
            own.append(annotation.get('bbox'))
    records = [
        _coco_record(image, boxes[repr(image.get('id'))], image_root, problems)
        for image in images
    ]
    return _sorted([record for record in records if record], problems)


def _coco_record(
    image: dict[str, Any],
    xywh: list,
    image_root: str | os.PathLike | None,
    problems: Problems,
) -> ProposalRecord | None:
    """Make the record of an image, None if it has no name or size."""
    name = image.get('file_name')
    if not (isinstance(name, str) and name):
        problems.add(LOST, 'image without a file_name', str(image)[:60])
        return None
    name = clean_name(name, os.fspath(image_root or '.'), problems)
    if name is None:
        return None
    size = size_of(image.get('height'), image.get('width'))
    if size is None:
        if image_root is None:
            problems.add(LOST, 'image without height and width', name)
            return None
        size = _read_size(open_images(image_root), name, problems)
        if size is None:
            return None
        problems.add(REPAIRED, 'no usable size: read from the image', name)
    record = record_of(name, size, xywh, image.get('fallback'), problems)
    return replace(
        record,
        stamp=_numbers(image.get('stamp'), FileStamp),
        extent=_numbers(image.get('extent'), Extent),
    )


def _numbers(left: Any, kind: type[FileStamp | Extent]) -> Any:
    """Read the stamp or extent that `export_coco` wrote, if any."""
    good = isinstance(left, list) and len(left) == len(kind._fields)
    good = good and all(isinstance(v, int) and 0 <= v < 2**64 for v in left)
    return kind(*left) if good else None


def _sections(content: dict[str, Any]) -> tuple[list[dict], list[dict]]:
    """Return images and annotations.

    Raises:
        ValueError: If either is missing.
    """
    sections: list[Any] = [
        content.get(key) for key in ('images', 'annotations')
    ]
    for key, section in zip(('images', 'annotations'), sections, strict=True):
        if not (
            isinstance(section, list)
            and all(isinstance(entry, dict) for entry in section)
        ):
            raise ValueError(
                f'not COCO-style: {key!r} is missing or not a list of '
                'objects; expected images with id, file_name, height and '
                'width, and annotations with image_id and bbox'
            )
    return sections[0], sections[1]


def import_json(
    source: str | os.PathLike,
    out: str | os.PathLike,
    image_root: str | os.PathLike | None = None,
    skip_missing: bool = False,
    strict: bool = False,
    problems: Problems | None = None,
) -> ProposalStore:
    """Make a store from a JSON file, whose content determines its layout.

    Args:
        source: The JSON file, COCO-style or in the published layout.
        out: The store to make.
        image_root: The image folder; the published layout needs it.
        skip_missing: See `import_published`.
        strict: Refuse files with anything to repair or leave out.
        problems: Gets what was repaired or left out.

    Returns:
        The new store.

    Raises:
        ValueError: If the file is malformed, or its layout needs
            ``image_root``, or ``strict`` refuses it.
    """
    problems = Problems() if problems is None else problems
    content = read_json(source)
    metadata = coco_metadata(content)
    if image_root is not None:
        metadata['image_root'] = str(Path(image_root).absolute())
    if 'images' in content and 'annotations' in content:
        records = import_coco(content, image_root, problems)
    elif image_root is None:
        raise ValueError(
            f'{os.fspath(source)!r} has the published layout, which has no '
            'image sizes; name the image folder with --image-root'
        )
    else:
        records = import_published(content, image_root, skip_missing, problems)
    wrong = problems.count(LOST, REPAIRED)
    if strict and wrong:
        raise ValueError(
            f'{wrong} cases in {os.fspath(source)!r} are wrong, and --strict '
            f'refuses them\n{problems}'
        )
    return write_store(records, out, metadata)


def coco_metadata(content: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata that :func:`export_coco` wrote, if any."""
    info = content.get('info')
    found = info.get('proposals') if isinstance(info, dict) else None
    if not isinstance(found, dict):
        return {}
    return {k: v for k, v in found.items() if k not in COUNTED}


def write_store(
    records: Iterable[ProposalRecord],
    out: str | os.PathLike,
    metadata: dict[str, Any],
) -> ProposalStore:
    """Write imported records as a store.

    Raises:
        ValueError: If boxes leave their image, or an image occurs twice.
    """
    metadata = {'kind': 'proposals', 'unreadable': [], **metadata}
    with ProposalStoreWriter(out, metadata) as writer:
        writer.write(records)
    return ProposalStore(out)


def read_json(path: str | os.PathLike) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        FileNotFoundError: If the file is not there.
        ValueError: If it is not a JSON object.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        raise ValueError(f'{str(path)!r} is {NOT_A_FILE}')
    try:
        content = parse_json(decode_text(Path(path).read_bytes()))
    except (ValueError, RecursionError) as e:
        raise ValueError(f'{str(path)!r} is not JSON: {e}') from e
    if not isinstance(content, dict):
        raise ValueError(
            f'{str(path)!r}: expected a JSON object, got '
            f'{type(content).__name__}'
        )
    return content


def _refuse_ambiguous(names: list[str], remedy: str) -> None:
    counts = Counter(PurePosixPath(name).name for name in names)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise ValueError(
            f'{len(twice)} names are there more than once in different '
            f'folders, such as {twice[0]!r}; {remedy}'
        )


def _to_xywh(record: ProposalRecord) -> list[list[int]]:
    """Return boxes as x, y, w, h integers."""
    bboxes = record.bboxes.astype(np.int64)
    bboxes[:, 2:] -= bboxes[:, :2]
    return bboxes.tolist()
