"""Exchange stores with JSON: SoCo's published layout and COCO's.

The published layout is ``{basename: [[x, y, w, h], ...]}``, where x + w and
y + h are our x2 and y2. COCO-style JSON lists images with their sizes, and
each box as an annotation with ``bbox`` x, y, w, h; it carries all that a store
does.
"""

import json
import math
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from mmsoco.images.lists import find_images
from mmsoco.images.reading import read_size
from mmsoco.proposals.filters import FALLBACK_NAMES
from mmsoco.proposals.records import ProposalRecord
from mmsoco.proposals.store import (
    COUNTED,
    ProposalStore,
    ProposalStoreWriter,
)

NO_BOXES = len(FALLBACK_NAMES) - 1


def export_published(store: ProposalStore) -> dict[str, list[list[int]]]:
    """Turn a store into the published layout.

    Raises:
        ValueError: If two images have the same name in different folders,
            which that layout cannot tell apart.
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
) -> list[ProposalRecord]:
    """Read the published layout, with the images' sizes from their files.

    Args:
        content: The parsed JSON.
        image_root: Where the images are, at any depth.
        skip_missing: Leave out images that are not there, as of a subset.

    Returns:
        Records sorted by file name.

    Raises:
        ValueError: If an image is missing, unreadable or found twice, or
            boxes are malformed.
    """
    by_name: dict[str, list[str]] = {}
    for name in find_images(image_root).names:
        by_name.setdefault(PurePosixPath(name).name, []).append(name)
    records = []
    for basename, xywh in content.items():
        found = by_name.get(basename, [])
        if skip_missing and not found:
            continue
        if len(found) != 1:
            raise ValueError(
                f'expected one image {basename!r} in {str(image_root)!r} or '
                f'below, found {len(found)} {found[:3]}; name the folder '
                'whose proposals these are, or --skip-missing'
            )
        height, width = read_size(Path(image_root) / found[0])
        records.append(_record(found[0], height, width, xywh))
    return sorted(records, key=lambda record: record.file_name)


def export_coco(store: ProposalStore) -> dict[str, Any]:
    """Turn a store into COCO-style JSON, one annotation per proposal."""
    images, annotations = [], []
    for image_id, record in enumerate(store, start=1):
        images.append(
            {
                'id': image_id,
                'file_name': record.file_name,
                'height': record.height,
                'width': record.width,
                'fallback': record.fallback,
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


def import_coco(content: dict[str, Any]) -> list[ProposalRecord]:
    """Read COCO-style JSON; boxes of all categories become proposals.

    Raises:
        ValueError: If a part is missing, an annotation has no image, or
            boxes are malformed.
    """
    try:
        images = {image['id']: image for image in content['images']}
        boxes: dict[Any, list[list[float]]] = {key: [] for key in images}
        for annotation in content['annotations']:
            if annotation['image_id'] not in boxes:
                raise ValueError(
                    f'annotation {annotation.get("id")} is of image '
                    f'{annotation["image_id"]}, which is not listed'
                )
            boxes[annotation['image_id']].append(annotation['bbox'])
        records = [
            _record(
                image['file_name'],
                image['height'],
                image['width'],
                boxes[key],
                image.get('fallback'),
            )
            for key, image in images.items()
        ]
    except (KeyError, TypeError, AttributeError) as e:
        raise ValueError(
            'not COCO-style: expected images with id, file_name, height and '
            f'width, and annotations with image_id and bbox; got {e!r}'
        ) from e
    return sorted(records, key=lambda record: record.file_name)


EXPORTS = {'coco': export_coco, 'published': export_published}


def import_json(
    source: str | os.PathLike,
    out: str | os.PathLike,
    image_root: str | os.PathLike | None = None,
    skip_missing: bool = False,
) -> ProposalStore:
    """Make a store of a JSON file, whose layout its content tells.

    Args:
        source: The JSON file, COCO-style or in the published layout.
        out: The store to make.
        image_root: The image folder; the published layout needs it.
        skip_missing: See `import_published`.

    Returns:
        The new store.

    Raises:
        ValueError: The file is malformed, or its layout needs
            ``image_root``.
    """
    content = read_json(source)
    metadata = coco_metadata(content)
    if image_root is not None:
        metadata['image_root'] = str(Path(image_root).absolute())
    if 'images' in content and 'annotations' in content:
        records = import_coco(content)
    elif image_root is None:
        raise ValueError(
            f'{os.fspath(source)!r} has the published layout, which has no '
            'image sizes; name the image folder with --image-root'
        )
    else:
        records = import_published(content, image_root, skip_missing)
    return write_store(records, out, metadata)


def coco_metadata(content: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata that :func:`export_coco` left, if it did."""
    info = content.get('info')
    found = info.get('proposals') if isinstance(info, dict) else None
    return {k: v for k, v in (found or {}).items() if k not in COUNTED}


def write_store(
    records: Iterable[ProposalRecord],
    out: str | os.PathLike,
    metadata: dict[str, Any],
) -> ProposalStore:
    """Write imported records as a store.

    Raises:
        ValueError: If boxes leave their image, or an image is there twice.
    """
    metadata = {'kind': 'proposals', 'unreadable': [], **metadata}
    with ProposalStoreWriter(out, metadata) as writer:
        writer.write(records)
    return ProposalStore(out)


def read_json(path: str | os.PathLike) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        FileNotFoundError: If the file is not there.
        ValueError: If it holds no JSON object.
    """
    try:
        content = json.loads(Path(path).read_text(encoding='utf-8'))
    except ValueError as e:
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


def _record(
    name: str,
    height: int,
    width: int,
    xywh: list[list[float]],
    fallback: int | None = None,
) -> ProposalRecord:
    """Make a record of x, y, w, h boxes.

    Boxes with fractions, which selective search never makes, grow to whole
    pixels within the image.

    Raises:
        ValueError: If ``xywh`` is no list of four finite numbers each.
    """
    if not _are_boxes(xywh):
        raise ValueError(
            f'image {name!r}: expected boxes of four finite numbers x, y, w, h'
        )
    bboxes = np.array(xywh, dtype=np.float64).reshape(-1, 4)
    bboxes[:, 2:] += bboxes[:, :2]
    whole = (bboxes % 1 == 0).all(axis=1, keepdims=True)
    grown = np.concatenate(
        [np.floor(bboxes[:, :2]), np.ceil(bboxes[:, 2:])], axis=1
    )
    limits = np.array([width, height, width, height])
    bboxes = np.where(whole, bboxes, np.clip(grown, 0, limits))
    if fallback is None:
        fallback = 0 if len(bboxes) else NO_BOXES
    return ProposalRecord(name, int(height), int(width), bboxes, fallback)


def _are_boxes(xywh: Any) -> bool:
    """Tell whether parsed JSON is a list of four finite numbers each."""
    return isinstance(xywh, list) and all(
        isinstance(box, list)
        and len(box) == 4
        and all(isinstance(v, (int, float)) and math.isfinite(v) for v in box)
        for box in xywh
    )
