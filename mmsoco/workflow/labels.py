"""Read boxes and counts from the labels of a COCO document."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mmsoco.datasets.coco_objects import is_ignored, is_usable


def boxes_by_picture(document: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return the boxes of a COCO document by the name of their picture.

    Returns:
        (n, 4) float64 xyxy, absolute pixels; objects that training ignores
        are left out.
    """
    names = {image['id']: image['file_name'] for image in document['images']}
    found: dict[str, list] = {}
    for annotation in document['annotations']:
        if is_ignored(annotation):
            continue
        x, y, w, h = annotation['bbox']
        boxes = found.setdefault(names[annotation['image_id']], [])
        boxes.append((x, y, x + w, y + h))
    return {name: np.array(boxes) for name, boxes in found.items()}


def draw_labels(
    document: Mapping[str, Any], number: int, seed: int
) -> dict[str, Any]:
    """Draw labeled pictures of a COCO document.

    Args:
        document: The document; it is not changed.
        number: How many pictures with objects to learn from to draw.
        seed: Seed of the draw; a smaller number draws a subset of a larger
            one.

    Raises:
        ValueError: If there are fewer.
    """
    labelled = {a['image_id'] for a in document['annotations'] if is_usable(a)}
    images = [i for i in document['images'] if i['id'] in labelled]
    if not 1 <= number <= len(images):
        raise ValueError(
            f'--labels {number}: the file has {len(images)} pictures with '
            'objects to learn from'
        )
    order = np.random.default_rng(seed).permutation(len(images))
    drawn = [images[i] for i in sorted(order[:number])]
    ids = {image['id'] for image in drawn}
    return dict(
        copy.copy(dict(document)),
        images=drawn,
        annotations=[
            a for a in document['annotations'] if a['image_id'] in ids
        ],
    )


def pictures_of(document: Mapping[str, Any], folder: Path) -> set[Path]:
    """Return the files of a COCO document's pictures.

    Args:
        document: The document.
        folder: The folder of the pictures.
    """
    root = folder.resolve()
    return {root / image['file_name'] for image in document['images']}


def count_boxes(document: Mapping[str, Any]) -> dict[str, int]:
    """Count the boxes of each class that a detector learns from."""
    names = {c['id']: c['name'] for c in document['categories']}
    counts = dict.fromkeys(names.values(), 0)
    for annotation in document['annotations']:
        if is_usable(annotation):
            counts[names[annotation['category_id']]] += 1
    return counts


def median_side(document: Mapping[str, Any]) -> float:
    """Return the median of sqrt(area) of a document's boxes, pixels."""
    areas = [a['bbox'][2] * a['bbox'][3] for a in document['annotations']]
    return float(np.sqrt(np.median(areas))) if areas else 0.0
