"""Filter regions of selective search to proposals.

``bboxes`` is always (N, 4) xyxy, in absolute, continuous pixels.
"""

import enum
import math
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np

# The largest side of an image that a store can hold, pixels.
MAX_SIDE = 65535


class Fallback(enum.IntEnum):
    """Which filter found an image's proposals; the values are stored.

    Attributes:
        FILTERED: All limits.
        ASPECT_ONLY: Size and aspect, since none passed all limits.
        SIZE_ONLY: Size alone, since none passed those two.
        NONE: No region passed any; the dataset takes the whole image.
    """

    FILTERED = 0
    ASPECT_ONLY = 1
    SIZE_ONLY = 2
    NONE = 3


FALLBACK_NAMES = tuple(f.name.lower().replace('_', ' ') for f in Fallback)


@dataclass(frozen=True)
class FilterSpec:
    """Limits on a proposal's size and shape; the defaults are the paper's.

    The published code calls them ``ratio3size0308``. All limits are
    inclusive.

    Attributes:
        min_size: Least width and height, pixels.
        min_ratio: Least width / height.
        max_ratio: Greatest width / height.
        min_scale: Least sqrt(box area) / sqrt(image area).
        max_scale: Greatest of the same.

    Raises:
        ValueError: If a limit is out of its range or a pair is swapped.
    """

    min_size: float = 32
    min_ratio: float = 1 / 3
    max_ratio: float = 3.0
    min_scale: float = 0.3
    max_scale: float = 0.8

    def __post_init__(self) -> None:
        """Check the limits."""
        if not all(math.isfinite(v) for v in self.as_dict().values()):
            raise ValueError(f'filter limits must be finite, got {self}')
        if not 1 <= self.min_size <= MAX_SIDE:
            raise ValueError(
                f'min_size must be 1 to {MAX_SIDE} pixels, the largest side '
                f'of an image, got {self.min_size}'
            )
        if not 0 < self.min_ratio <= self.max_ratio:
            raise ValueError(
                'expected 0 < min_ratio <= max_ratio, got '
                f'{self.min_ratio} and {self.max_ratio}'
            )
        if not 0 <= self.min_scale <= self.max_scale or self.min_scale > 1:
            raise ValueError(
                'expected 0 <= min_scale <= max_scale and min_scale <= 1, '
                f'got {self.min_scale} and {self.max_scale}'
            )

    def as_dict(self) -> dict[str, float]:
        """Return the limits by name, for a store's metadata."""
        return asdict(self)


class FilteredBoxes(NamedTuple):
    """Proposals of one image and how they were found.

    Attributes:
        bboxes: The kept rows, (M, 4), in their original order.
        fallback: Which filter found them; NONE where M is 0.
    """

    bboxes: np.ndarray
    fallback: Fallback


def size_mask(bboxes: np.ndarray, spec: FilterSpec) -> np.ndarray:
    """Mark boxes whose sides are both ``spec.min_size`` or more: (N,) bool."""
    width, height = _sides(bboxes).T
    return (width >= spec.min_size) & (height >= spec.min_size)


def aspect_mask(bboxes: np.ndarray, spec: FilterSpec) -> np.ndarray:
    """Mark boxes by width / height: (N,) bool; False without height."""
    width, height = _sides(bboxes).T
    # A division, so that rounding equals the published code's.
    ratio = np.divide(
        width, height, out=np.full(len(width), np.inf), where=height > 0
    )
    return (ratio >= spec.min_ratio) & (ratio <= spec.max_ratio)


def scale_mask(
    bboxes: np.ndarray, height: int, width: int, spec: FilterSpec
) -> np.ndarray:
    """Mark boxes by sqrt(area) over that of the (height, width) image."""
    area = _sides(bboxes).prod(axis=1)
    scale = np.sqrt(area) / np.sqrt(float(width) * float(height))
    return (scale >= spec.min_scale) & (scale <= spec.max_scale)


def filter_regions(
    bboxes: np.ndarray, height: int, width: int, spec: FilterSpec
) -> FilteredBoxes:
    """Choose the proposals of one image, with a relaxed filter if needed.

    As in the published code: if no region passes all three filters, the aspect
    and size filters are used, then only the size filter.

    Args:
        bboxes: Regions, (N, 4) xyxy; N may be 0. Duplicates stay.
        height: The image's height, pixels.
        width: The image's width, pixels.
        spec: The limits.

    Returns:
        The kept boxes in their order, and the fallback that found them.
    """
    bboxes = np.asarray(bboxes).reshape(-1, 4)
    by_size = size_mask(bboxes, spec)
    by_aspect = by_size & aspect_mask(bboxes, spec)
    by_scale = by_aspect & scale_mask(bboxes, height, width, spec)
    for fallback, mask in zip(
        Fallback, (by_scale, by_aspect, by_size), strict=False
    ):
        if mask.any():
            return FilteredBoxes(bboxes[mask], fallback)
    return FilteredBoxes(bboxes[:0], Fallback.NONE)


def _sides(bboxes: np.ndarray) -> np.ndarray:
    """Return (N, 2) widths and heights as float64."""
    bboxes = np.asarray(bboxes, dtype=np.float64).reshape(-1, 4)
    return bboxes[:, 2:] - bboxes[:, :2]
