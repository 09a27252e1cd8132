"""Kinds of views: their sizes, and the part of the image that they show.

The config passes the list of views to `DrawViews`.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from mmsoco.registry import TRANSFORMS

from .geometry import CropParams, draw_crop

# Smaller views have too few pixels in a backbone's feature map to separate
# objects; larger ones exceed the images that detectors train on.
MIN_VIEW, MAX_VIEW = 8, 4096


class View(ABC):
    """Base class of views.

    Args:
        size: Side of the square view in pixels, or (height, width).
        flip_prob: Probability of the view being mirrored left to right.
        jitter_prob: Probability of a box on this view being jittered.
        jitter_scale: Largest shift and stretch of a jittered box, in units
            of its width and height.

    Raises:
        ValueError: If a size is not positive or a number lies outside [0, 1].
    """

    def __init__(
        self,
        size: int | tuple[int, int],
        flip_prob: float = 0.5,
        jitter_prob: float = 0.0,
        jitter_scale: float = 0.1,
    ) -> None:
        self.size = parse_size(size)
        self.flip_prob = check_share('flip_prob', flip_prob)
        self.jitter_prob = check_share('jitter_prob', jitter_prob)
        self.jitter_scale = check_share('jitter_scale', jitter_scale)

    def draw(
        self, rng: np.random.Generator, height: int, width: int
    ) -> CropParams:
        """Draw the part of the image that the view shows.

        Args:
            rng: Source of all randomness.
            height: Image height.
            width: Image width.

        Returns:
            Where the view comes from.
        """
        flip = bool(rng.random() < self.flip_prob)
        rect = self.draw_rect(rng, height, width)
        return CropParams(*rect, size=self.size, flip=flip)

    @abstractmethod
    def draw_rect(
        self, rng: np.random.Generator, height: int, width: int
    ) -> tuple[int, int, int, int]:
        """Draw x, y, w, h in image pixels."""

    def __repr__(self) -> str:
        args = ', '.join(f'{k}={v!r}' for k, v in vars(self).items())
        return f'{type(self).__name__}({args})'


@TRANSFORMS.register_module()
class WholeImageView(View):
    """The whole image, without its aspect ratio (view 1 of the paper)."""

    def draw_rect(
        self, rng: np.random.Generator, height: int, width: int
    ) -> tuple[int, int, int, int]:
        """Return the whole image, without drawing anything."""
        return 0, 0, width, height


@TRANSFORMS.register_module()
class RandomCropView(View):
    """A random crop of the image (views 2 and 3 of the paper).

    Args:
        size: Side of the square view in pixels, or (height, width).
        area: Range of the crop's share of the image's area.
        aspect: Range of the crop's width / height.
        **kwargs: Further arguments of `View`.

    Raises:
        ValueError: If a range is empty, not positive, or an area above 1.
    """

    def __init__(
        self,
        size: int | tuple[int, int],
        area: tuple[float, float] = (0.5, 1.0),
        aspect: tuple[float, float] = (3 / 4, 4 / 3),
        **kwargs: float,
    ) -> None:
        super().__init__(size, **kwargs)
        self.area = check_range('area', area, upper=1.0)
        self.aspect = check_range('aspect', aspect)

    def draw_rect(
        self, rng: np.random.Generator, height: int, width: int
    ) -> tuple[int, int, int, int]:
        """Draw a rectangle of random area, ratio and place."""
        return draw_crop(rng, height, width, self.area, self.aspect)


@TRANSFORMS.register_module()
class ResizedView:
    """Another view's finished pixels at another size (view 4 of SoCo*).

    It shows the same crop, mirrored and colored alike, and has the same
    boxes, scaled.

    Args:
        of: The other view, counted from 1.
        size: Side of the square view in pixels, or (height, width).

    Raises:
        ValueError: If the size is not positive.
    """

    def __init__(self, of: int, size: int | tuple[int, int]) -> None:
        self.of = of
        self.size = parse_size(size)

    def __repr__(self) -> str:
        return f'ResizedView(of={self.of}, size={self.size})'


def parse_size(size: int | Sequence[int]) -> tuple[int, int]:
    """Read the size of a view.

    Args:
        size: Side of a square, or (height, width).

    Returns:
        (height, width).

    Raises:
        ValueError: If it is not one or two whole numbers of ``MIN_VIEW`` to
            ``MAX_VIEW`` pixels.
    """
    sides = (size, size) if isinstance(size, int) else tuple(size)
    good = all(
        isinstance(side, int) and MIN_VIEW <= side <= MAX_VIEW
        for side in sides
    )
    if len(sides) != 2 or not good:
        raise ValueError(
            f'size must be a whole number of {MIN_VIEW} to {MAX_VIEW} pixels, '
            f'or (height, width), got {size!r}'
        )
    return sides


def check_count(name: str, value: int, upper: int) -> int:
    """Return the value if it is a whole number from 1 to ``upper``.

    Args:
        name: What to call it in the error.
        value: A number of things.
        upper: Largest allowed value.

    Returns:
        The value.

    Raises:
        ValueError: If it lies outside, or is not whole.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f'{name} must be at least 1 and whole, got {value!r}')
    if value > upper:
        raise ValueError(f'{name} must be at most {upper}, got {value}')
    return value


def check_share(name: str, value: float) -> float:
    """Return the value if it lies in [0, 1].

    Args:
        name: What to call it in the error.
        value: A probability or share.

    Returns:
        The value.

    Raises:
        ValueError: If it lies outside.
    """
    if not 0 <= value <= 1:
        raise ValueError(f'{name} must lie in [0, 1], got {value}')
    return value


def check_range(
    name: str, values: Sequence[float], upper: float = float('inf')
) -> tuple[float, float]:
    """Return the range if it is valid.

    Args:
        name: What to call it in the error.
        values: Lower and upper end.
        upper: Largest allowed value.

    Returns:
        The range as a tuple.

    Raises:
        ValueError: If it is not 0 < low <= high <= upper.
    """
    if len(values) != 2 or not 0 < values[0] <= values[1] <= upper:
        raise ValueError(
            f'{name} must be (low, high) with 0 < low <= high <= {upper}, '
            f'got {values!r}'
        )
    low, high = values
    return low, high
