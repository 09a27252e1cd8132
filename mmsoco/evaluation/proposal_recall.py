"""Measure how many labeled objects the proposals of a picture find.

An object is found at a threshold if the intersection over union with one of
the boxes is at least that high. COCO's matching also requires that a box
matches only one object; for objects that do not overlap, both numbers are the
same.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mmsoco.proposals.records import ProposalRecord
from mmsoco.structures.boxes import box_iou

# COCO's thresholds, over which the average recall is computed.
THRESHOLDS = np.linspace(0.5, 0.95, 10)
# Numbers of boxes per picture that are reported, and more for a curve.
NUMBERS = (10, 50, 100)
_CURVE = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
# COCO's sizes by the area of the box, square pixels.
SIZES = {
    'all': (0.0, math.inf),
    'small': (0.0, 32.0**2),
    'medium': (32.0**2, 96.0**2),
    'large': (96.0**2, math.inf),
}


def curve_numbers(most: int) -> list[int]:
    """Return rising numbers of boxes, the last of which means all.

    Args:
        most: The number of boxes of the picture that has most.
    """
    below = {number for number in _CURVE if number < most}
    return sorted({*below, *NUMBERS, most} - {0})


class PictureObjects(NamedTuple):
    """A picture's proposals, with the objects that they should find.

    Attributes:
        record: The proposals.
        objects: (n, 4) xyxy, absolute pixels; n may be 0.
    """

    record: ProposalRecord
    objects: np.ndarray


@dataclass(frozen=True, eq=False)
class Overlaps:
    """The best overlap of each of N objects with the first boxes.

    Attributes:
        numbers: (B,) rising numbers of boxes, see `curve_numbers`.
        areas: (N,) of the objects, square pixels.
        best: (N, B): the highest IoU of an object with the first
            ``numbers[b]`` boxes of its picture; 0 without boxes.
    """

    numbers: Sequence[int]
    areas: np.ndarray
    best: np.ndarray

    def at(self, number: int) -> np.ndarray:
        """Return the (N,) best overlaps for one of ``numbers``."""
        return self.best[:, list(self.numbers).index(number)]

    def average_recall(self, number: int, size: str = 'all') -> float | None:
        """Return the recall averaged over COCO's thresholds.

        Args:
            number: One of ``numbers``.
            size: A name of `SIZES`.

        Returns:
            0 to 1; None if there is no object of the size.
        """
        found = self.at(number)[self.of_size(size), None] >= THRESHOLDS
        return float(found.mean()) if found.size else None

    def recall(
        self, number: int, iou: float = 0.5, size: str = 'all'
    ) -> float | None:
        """Return the share of the objects that are found at one threshold."""
        found = self.at(number)[self.of_size(size)] >= iou
        return float(found.mean()) if found.size else None

    def of_size(self, size: str) -> np.ndarray:
        """Mark the objects of a size: (N,) bool."""
        low, high = SIZES[size]
        return (self.areas >= low) & (self.areas < high)


def best_overlaps(
    objects: np.ndarray, boxes: np.ndarray, numbers: Sequence[int]
) -> np.ndarray:
    """Return the best overlap of each object with the first boxes.

    Args:
        objects: (n, 4) xyxy.
        boxes: (m, 4) xyxy in the same pixels, in their order; m may be 0.
        numbers: (B,) how many of the boxes to take, each 1 or more; beyond m
            all of them count.

    Returns:
        (n, B) float64.
    """
    if not len(boxes):
        return np.zeros((len(objects), len(numbers)))
    rising = np.maximum.accumulate(box_iou(objects, boxes), axis=1)
    last = np.minimum(np.asarray(numbers), len(boxes)) - 1
    return rising[:, last]


def measure_overlaps(
    pictures: Iterable[PictureObjects],
    numbers: Sequence[int],
    ranked: bool,
    scattered: bool = False,
    seed: int = 0,
) -> Overlaps:
    """Measure the proposals of pictures on their objects.

    Args:
        pictures: The pictures.
        numbers: See `Overlaps`.
        ranked: Whether the boxes of a picture come best first, as those of a
            detector do. The search has no such order, and is measured in one
            drawn from ``seed``.
        scattered: Move the boxes to random places first, see `scatter`.
        seed: Seed of the random numbers.
    """
    areas, best = [np.zeros(0)], [np.zeros((0, len(numbers)))]
    for place, (record, objects) in enumerate(pictures):
        rng = np.random.default_rng((seed, place))
        boxes = record.bboxes
        if not ranked:
            boxes = boxes[rng.permutation(len(boxes))]
        if scattered:
            boxes = scatter(boxes, record.height, record.width, rng)
        best.append(best_overlaps(objects, boxes, numbers))
        areas.append((objects[:, 2:] - objects[:, :2]).prod(axis=1))
    return Overlaps(numbers, np.concatenate(areas), np.concatenate(best))


def scatter(
    boxes: np.ndarray, height: int, width: int, rng: np.random.Generator
) -> np.ndarray:
    """Move boxes to random places of their picture.

    Their number, sizes and shapes stay the same, so that a comparison shows
    the value of their places.

    Args:
        boxes: (m, 4) xyxy within the picture.
        height: Of the picture, pixels.
        width: Of the picture, pixels.
        rng: Source of all randomness.

    Returns:
        (m, 4) float64 xyxy within the picture.
    """
    sides = np.asarray(boxes[:, 2:] - boxes[:, :2], np.float64)
    free = np.array([width, height]) - sides
    corners = rng.random(sides.shape) * free
    return np.hstack([corners, corners + sides])


def tabulate(own: Overlaps, random: Overlaps) -> dict[str, dict]:
    """Tabulate the numbers by the size of the objects.

    Args:
        own: The overlaps of the proposals.
        random: The overlaps of as many boxes at random places.

    Returns:
        For each size the number of ``objects``; and ``average_recall`` and
        ``recall_50`` by the number of boxes and ``best_overlap``, the mean
        of the objects' best overlaps with all boxes, each for ``boxes`` and
        ``random``.
    """
    return {
        size: dict(
            objects=int(own.of_size(size).sum()),
            boxes=_of_size(own, size),
            random=_of_size(random, size),
        )
        for size in SIZES
    }


def _of_size(overlaps: Overlaps, size: str) -> Mapping[str, object]:
    last = overlaps.numbers[-1]
    numbers = {str(number): number for number in NUMBERS} | {'all': last}
    best = overlaps.at(last)[overlaps.of_size(size)]
    return dict(
        average_recall={
            name: overlaps.average_recall(number, size)
            for name, number in numbers.items()
        },
        recall_50={
            name: overlaps.recall(number, size=size)
            for name, number in numbers.items()
        },
        best_overlap=float(best.mean()) if len(best) else None,
    )
