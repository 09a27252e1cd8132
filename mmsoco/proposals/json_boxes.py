"""Turn the boxes of a JSON file into records, with simple repairs.

Leaving out a proposal costs little: it is one of many, and no detector learns
from it that there is no object. So boxes that cannot be read are left out and
counted.
"""

import math
from typing import Any, TypeGuard

import numpy as np

from mmsoco.proposals.filters import MAX_SIDE, Fallback
from mmsoco.proposals.records import ProposalRecord
from mmsoco.utils.problems import Outcome, Problems

LOST, REPAIRED = Outcome.LOST, Outcome.REPAIRED


def record_of(
    name: str,
    size: tuple[int, int],
    xywh: Any,
    fallback: Any,
    problems: Problems,
) -> ProposalRecord:
    """Make a record of x, y, w, h boxes.

    Boxes with fractions, which selective search never makes, are enlarged to
    whole pixels; boxes that leave the image are clipped.

    Args:
        name: The image's name.
        size: Its (height, width).
        xywh: Its boxes as parsed from JSON.
        fallback: Which filter found them, None if unknown.
        problems: Gets what was repaired or left out.
    """
    height, width = size
    good = _numbers(name, xywh, problems)
    bboxes = np.array(good, dtype=np.float64).reshape(-1, 4)
    bboxes = _corners(name, bboxes, problems)
    grown = np.concatenate(
        [np.floor(bboxes[:, :2]), np.ceil(bboxes[:, 2:])], axis=1
    )
    limits = np.array([width, height, width, height], np.float64)
    inside = (grown[:, :2] < limits[:2]).all(axis=1)
    inside &= (grown[:, 2:] > 0).all(axis=1) | (bboxes >= 0).all(axis=1)
    for _ in range(np.count_nonzero(~inside)):
        problems.add(LOST, 'box lies outside of its image', name)
    clipped = np.clip(grown, 0, limits)
    # By more than rounding.
    outside = (np.abs(clipped - bboxes) >= 1).any(axis=1) & inside
    for _ in range(np.count_nonzero(outside)):
        problems.add(REPAIRED, 'box leaves its image: clipped', name)
    bboxes = clipped[inside]
    return ProposalRecord(
        name, height, width, bboxes, _fallback(fallback, bboxes)
    )


def _numbers(name: str, xywh: Any, problems: Problems) -> list[list[float]]:
    """Keep boxes of four finite numbers."""
    if not isinstance(xywh, list):
        problems.add(LOST, 'boxes that are not a list', name)
        return []
    good = []
    for box in xywh:
        if not (isinstance(box, list) and len(box) == 4):
            problems.add(LOST, 'box that is not [x, y, w, h]', name)
        elif not all(map(is_finite, box)):
            problems.add(LOST, 'box of other than finite numbers', name)
        else:
            good.append(box)
    return good


def is_finite(value: Any) -> TypeGuard[float]:
    """Return whether parsed JSON is a finite number, not a boolean."""
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) < 2**53
        and math.isfinite(value)
    )


def _corners(name: str, xywh: np.ndarray, problems: Problems) -> np.ndarray:
    """Return x1, y1, x2, y2, in order."""
    bboxes = xywh.copy()
    bboxes[:, 2:] += bboxes[:, :2]
    for _ in range(np.count_nonzero((xywh[:, 2:] < 0).any(axis=1))):
        problems.add(
            REPAIRED, 'box with a negative side: corners swapped back', name
        )
    ends = bboxes.reshape(-1, 2, 2)
    return np.concatenate([ends.min(axis=1), ends.max(axis=1)], axis=1)


def _fallback(reported: Any, bboxes: np.ndarray) -> Fallback:
    """Return the fallback that the file reports, if it is possible."""
    if not len(bboxes):
        return Fallback.NONE
    if isinstance(reported, int) and 0 <= reported < Fallback.NONE:
        return Fallback(reported)
    return Fallback.FILTERED


def size_of(height: Any, width: Any) -> tuple[int, int] | None:
    """Return an image's size if the file has a usable one."""
    good = all(
        is_finite(side) and 0 < side <= MAX_SIDE and side % 1 == 0
        for side in (height, width)
    )
    return (int(height), int(width)) if good else None
