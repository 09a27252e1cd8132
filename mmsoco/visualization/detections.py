"""Draw detections next to the labels, with right and wrong ones marked."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as coco_masks

from mmsoco.images.reading import read_rgb
from mmsoco.structures.boxes import box_iou

from .browse import spread

# COCO's and VOC's usual threshold for a match.
RIGHT_IOU = 0.5
# Okabe and Ito's colors, distinguished by color-blind readers too (RGB).
LABEL, RIGHT, WRONG, MISSED = (
    (0, 114, 178),
    (0, 158, 115),
    (213, 94, 0),
    (240, 228, 66),
)
KEYS = (
    (LABEL, 'label'),
    (RIGHT, 'right: the class, on an object (IoU 0.5)'),
    (WRONG, 'wrong: a wrong class or place, or a duplicate'),
    (MISSED, 'missed: a label without a detection'),
)
_FONT, _FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.42
# Size of a picture in pixels of the screen: two are shown side by side.
_WIDTH, _HEIGHT = 460, 320
_GAP = 6
_PICTURES = 6
# Longest side in pixels of a picture by itself.
_LONGEST = 1280
_CLASS_COLORS = (LABEL, WRONG, RIGHT, (204, 121, 167), (86, 180, 233),
                 (230, 159, 0), MISSED)  # fmt: skip
_AROUND = np.array([-3, -3, 3, 3])


@dataclass(frozen=True)
class Judged:
    """The detections of one picture, compared with its labels.

    Attributes:
        image: The COCO entry of the picture.
        objects: (n, 4) xyxy labels, absolute pixels.
        object_classes: (n,) ids.
        boxes: (m, 4) xyxy detections, best scores first.
        classes: (m,) ids.
        scores: (m,) in 0..1.
        matches: (m,) indices of the matched objects; -1 for wrong detections.
    """

    image: Mapping[str, Any]
    objects: np.ndarray
    object_classes: np.ndarray
    boxes: np.ndarray
    classes: np.ndarray
    scores: np.ndarray
    matches: np.ndarray


def judge(
    document: Mapping[str, Any], detections: Iterable[Mapping[str, Any]]
) -> list[Judged]:
    """Compare detections with labels, picture by picture.

    Detections are matched by descending score: each takes the free object of
    its class with the largest overlap, if that is at least `RIGHT_IOU` (as in
    COCO). A detection without an object, of which as much lies in a crowd of
    its class, is neither right nor wrong, and left out.

    Args:
        document: COCO labels.
        detections: COCO results: ``image_id``, ``category_id``, ``bbox``
            (xywh) and ``score``.

    Returns:
        One entry per picture of the document.
    """
    objects: dict[Any, list] = defaultdict(list)
    crowds: dict[Any, list] = defaultdict(list)
    found: dict[Any, list] = defaultdict(list)
    for annotation in document['annotations']:
        kind = crowds if annotation.get('iscrowd') else objects
        kind[annotation['image_id']].append(annotation)
    for detection in sorted(detections, key=lambda d: -d['score']):
        found[detection['image_id']].append(detection)
    return [
        _judge_picture(
            image,
            objects[image['id']],
            crowds[image['id']],
            found[image['id']],
        )
        for image in document['images']
    ]


def _judge_picture(
    image: Mapping[str, Any],
    objects: Sequence[Mapping[str, Any]],
    crowds: Sequence[Mapping[str, Any]],
    found: Sequence[Mapping[str, Any]],
) -> Judged:
    targets, boxes = _corners(objects), _corners(found)
    target_classes, classes = _ids(objects), _ids(found)
    overlaps = box_iou(boxes, targets)
    matches = np.full(len(boxes), -1)
    free = np.ones(len(targets), bool)
    for place in range(len(boxes)):
        fitting = free & (target_classes == classes[place])
        candidates = np.where(fitting, overlaps[place], 0)
        if len(targets) and candidates.max() >= RIGHT_IOU:
            matches[place] = candidates.argmax()
            free[matches[place]] = False
    scores = np.array([d['score'] for d in found], np.float64)
    kept = (matches >= 0) | ~_are_in_crowds(found, crowds)
    return Judged(
        image,
        targets,
        target_classes,
        boxes[kept],
        classes[kept],
        scores[kept],
        matches[kept],
    )


def _are_in_crowds(
    found: Sequence[Mapping[str, Any]], crowds: Sequence[Mapping[str, Any]]
) -> np.ndarray:
    """Return which detections lie in a crowd of their class: (m,) bool."""
    if not found or not crowds:
        return np.zeros(len(found), bool)
    boxes, regions = (
        np.array([e['bbox'] for e in entries], np.float64)
        for entries in (found, crowds)
    )
    shares = coco_masks.iou(boxes, regions, [1] * len(crowds))
    is_of_class = _ids(found)[:, None] == _ids(crowds)
    return ((shares >= RIGHT_IOU) & is_of_class).any(axis=1)


def best_threshold(judged: Iterable[Judged]) -> float:
    """Return the score threshold with the highest F1.

    F1 is the harmonic mean of precision and recall over all pictures; the
    threshold is 1 if nothing is right.
    """
    judged = list(judged)
    total = sum(len(picture.objects) for picture in judged)
    scores = np.concatenate([picture.scores for picture in judged])
    right = np.concatenate([picture.matches >= 0 for picture in judged])
    if not total or not right.any():
        return 1.0
    order = np.argsort(-scores, kind='stable')
    hits = np.cumsum(right[order])
    f1 = 2 * hits / (np.arange(1, len(hits) + 1) + total)
    # Of equal scores all are shown, or none.
    last = np.append(np.diff(scores[order]) < 0, True)
    best = np.argmax(np.where(last, f1, -1))
    return float(scores[order][best])


def draw_detections(
    judged: Sequence[Judged],
    names: Mapping[int, str],
    images: Path,
    threshold: float,
) -> np.ndarray:
    """Draw labels (left) and detections (right) of some pictures.

    The pictures are spread over those with objects.

    Args:
        judged: See `judge`.
        names: Names of the classes by id.
        images: Folder of the pictures.
        threshold: Least score of a detection to draw.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        UnreadableImageError: If a picture cannot be read.
    """
    pictures = [p for p in judged if len(p.objects)] or list(judged)
    rows = [
        _draw_row(pictures[i], names, images, threshold)
        for i in spread(len(pictures), _PICTURES)
    ]
    width = max(row.shape[1] for row in rows)
    return np.concatenate(
        [
            np.pad(
                row,
                ((0, _GAP), (0, width - row.shape[1]), (0, 0)),
                constant_values=255,
            )
            for row in rows
        ]
    )


def draw_objects(
    rgb: np.ndarray,
    objects: Sequence[Mapping[str, Any]],
    names: Mapping[int, str],
) -> np.ndarray:
    """Draw the detections of a picture, each class in a color of its own.

    Args:
        rgb: (H, W, 3) uint8 RGB.
        objects: COCO results of the picture, best scores first.
        names: Names of the classes by id.

    Returns:
        uint8 RGB, at most `_LONGEST` pixels on its longest side.
    """
    zoom = min(_LONGEST / max(rgb.shape[:2]), 1)
    size = [max(round(side * zoom), 1) for side in rgb.shape[1::-1]]
    picture = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    places = {label: place for place, label in enumerate(names)}
    boxes = _corners(objects) * zoom
    for entry, box in zip(objects[::-1], boxes[::-1], strict=True):
        label = entry['category_id']
        color = _CLASS_COLORS[places[label] % len(_CLASS_COLORS)]
        _draw(picture, box, color, f'{names[label]} {entry["score"]:.2f}')
    return picture


def _draw_row(
    picture: Judged, names: Mapping[int, str], images: Path, threshold: float
) -> np.ndarray:
    rgb = read_rgb(images / picture.image['file_name'])
    zoom = min(_HEIGHT / rgb.shape[0], _WIDTH / rgb.shape[1])
    size = [max(round(side * zoom), 1) for side in rgb.shape[1::-1]]
    left = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    right = left.copy()
    for box, label in zip(
        picture.objects, picture.object_classes, strict=True
    ):
        _draw(left, box * zoom, LABEL, names[label])
    shown = picture.scores >= threshold
    for place in range(len(picture.objects)):
        if place not in picture.matches[shown]:
            # Around a wrong detection at the same place, not below it.
            around = picture.objects[place] * zoom + _AROUND
            _draw(right, around, MISSED, '')
    for place in np.flatnonzero(shown)[::-1]:  # the best are on top
        color = RIGHT if picture.matches[place] >= 0 else WRONG
        text = f'{names[picture.classes[place]]} {picture.scores[place]:.2f}'
        _draw(right, picture.boxes[place] * zoom, color, text)
    gap = np.full((left.shape[0], _GAP, 3), 255, np.uint8)
    return np.concatenate([left, gap, right], axis=1)


def _draw(
    picture: np.ndarray,
    box: np.ndarray,
    color: tuple[int, int, int],
    text: str,
) -> None:
    x1, y1, x2, y2 = np.rint(box).astype(int).tolist()
    cv2.rectangle(picture, (x1, y1), (x2 - 1, y2 - 1), color, 2)
    if not text:
        return
    (width, height), _ = cv2.getTextSize(text, _FONT, _FONT_SCALE, 1)
    left = int(np.clip(x1, 0, max(picture.shape[1] - width - 4, 0)))
    bottom = max(y1, height + 5)
    corner = (left, bottom - height - 5), (left + width + 4, bottom)
    cv2.rectangle(picture, *corner, color, cv2.FILLED)
    ink = (0, 0, 0) if sum(color) > 380 else (255, 255, 255)
    cv2.putText(
        picture, text, (left + 2, bottom - 3), _FONT, _FONT_SCALE, ink, 1,
        cv2.LINE_AA,
    )  # fmt: skip


def _corners(entries: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Return (n, 4) xyxy of COCO's xywh."""
    boxes = np.array([e['bbox'] for e in entries], np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return boxes


def _ids(entries: Sequence[Mapping[str, Any]]) -> np.ndarray:
    return np.array([e['category_id'] for e in entries], np.int64)
