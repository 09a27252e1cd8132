"""Crop, resize and jitter pixels and boxes.

`CropParams` says where a view comes from; `crop_image` and `crop_bboxes`
apply the same numbers to the image and to its proposals. Nothing here draws a
random number except the two functions that take a generator.

Boxes are (N, 4) arrays x1, y1, x2, y2 in pixels, continuous: a box around a
single pixel (0, 0) is (0, 0, 1, 1). Sizes are (height, width).
"""

import math
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numba import njit
from torch.nn.functional import interpolate

# torchvision's RandomResizedCrop also gives up after ten draws.
_CROP_ATTEMPTS = 10


class CropParams(NamedTuple):
    """A rectangle of the image, and the view made from it.

    Attributes:
        x: Left edge in image pixels.
        y: Upper edge in image pixels.
        w: Width in image pixels.
        h: Height in image pixels.
        size: (height, width) of the view that the rectangle is resized to.
        flip: Whether the view is mirrored left to right.
    """

    x: int
    y: int
    w: int
    h: int
    size: tuple[int, int]
    flip: bool = False

    @property
    def bbox(self) -> tuple[int, int, int, int]:
        """The rectangle as a box x1, y1, x2, y2 in image pixels."""
        return self.x, self.y, self.x + self.w, self.y + self.h


def draw_crop(
    rng: np.random.Generator,
    height: int,
    width: int,
    area: tuple[float, float],
    aspect: tuple[float, float],
) -> tuple[int, int, int, int]:
    """Draw a rectangle of random area and aspect ratio at a random place.

    The area is uniform, the ratio log-uniform. If none of ten draws fits into
    the image, the largest central rectangle with the nearest allowed ratio
    is taken (the rule of torchvision's ``RandomResizedCrop``).

    Args:
        rng: Source of all randomness.
        height: Image height.
        width: Image width.
        area: Range of the share of the image's area.
        aspect: Range of width / height.

    Returns:
        x, y, w, h in whole pixels, inside the image, w and h at least 1.
    """
    least, most = map(math.log, aspect)
    for _ in range(_CROP_ATTEMPTS):
        # One call for all four, since the overhead of a call dominates.
        u = rng.random(4).tolist()
        target = height * width * (area[0] + u[0] * (area[1] - area[0]))
        ratio = math.exp(least + u[1] * (most - least))
        w = round(math.sqrt(target * ratio))
        h = round(math.sqrt(target / ratio))
        if 0 < w <= width and 0 < h <= height:
            x = int(u[2] * (width - w + 1))
            y = int(u[3] * (height - h + 1))
            return x, y, w, h
    return central_crop(height, width, aspect)


def central_crop(
    height: int, width: int, aspect: tuple[float, float]
) -> tuple[int, int, int, int]:
    """Return the largest central rectangle with an allowed aspect ratio.

    Args:
        height: Image height.
        width: Image width.
        aspect: Range of width / height.

    Returns:
        x, y, w, h in whole pixels, w and h at least 1.
    """
    ratio = min(max(width / height, aspect[0]), aspect[1])
    w = max(min(width, round(height * ratio)), 1)
    h = max(min(height, round(width / ratio)), 1)
    return (width - w) // 2, (height - h) // 2, w, h


def crop_image(img: np.ndarray, crop: CropParams) -> np.ndarray:
    """Cut a view out of an image.

    Args:
        img: (H, W, C) image, uint8 or float32.
        crop: The rectangle, the size of the view and whether it is mirrored.

    Returns:
        (h, w, C) view of that type, where h, w is ``crop.size``.
    """
    part = img[crop.y : crop.y + crop.h, crop.x : crop.x + crop.w]
    return resize_image(part, crop.size, crop.flip)


def resize_image(
    img: np.ndarray, size: tuple[int, int], flip: bool = False
) -> np.ndarray:
    """Resize bilinearly with antialiasing, as PIL does.

    OpenCV's bilinear resize skips pixels when it shrinks an image, which
    moves the mean by several gray levels; torch's antialiased one stays
    within rounding of PIL's.

    Args:
        img: (H, W, C) image, uint8 or float32.
        size: (height, width) of the result.
        flip: Whether the result is mirrored left to right.

    Returns:
        (h, w, C) image of that type.
    """
    # torch's fast kernel needs the strides of channels-last order in every
    # dimension, even that of the only image, where numpy's img[None] has a
    # stride of 0 and takes a third longer.
    pixels = torch.from_numpy(np.ascontiguousarray(img))
    batch = pixels.view(1, *img.shape).permute(0, 3, 1, 2)  # (1, 3, H, W)
    resized = interpolate(
        batch, size=size, mode='bilinear', align_corners=False, antialias=True
    )
    view = resized[0].permute(1, 2, 0).numpy()  # (h, w, 3), contiguous
    # OpenCV leaves out the dimension of a single channel.
    return cv2.flip(view, 1).reshape(view.shape) if flip else view


def crop_bboxes(bboxes: np.ndarray, crop: CropParams) -> np.ndarray:
    """Move boxes from the image into a view: clip, shift, scale, mirror.

    Args:
        bboxes: (N, 4) boxes in image pixels.
        crop: The rectangle, the size of the view and whether it is mirrored.

    Returns:
        (N, 4) float32 boxes in the view's pixels, inside the view. A box
        outside of the rectangle becomes one without area on its border.
    """
    bboxes = np.asarray(bboxes, np.float64)
    return _crop_bboxes(bboxes, crop.bbox, crop.size, crop.flip)


# For a few dozen boxes, the overhead of numpy's calls dominates, so loops over
# boxes are compiled.
@njit(cache=True)
def _crop_bboxes(
    bboxes: np.ndarray,
    rect: tuple[int, int, int, int],
    size: tuple[int, int],
    flip: bool,
) -> np.ndarray:
    """Clip, shift and scale (N, 4) float64 boxes; then mirror them."""
    out = np.empty(bboxes.shape, np.float32)
    for i in range(len(bboxes)):
        for edge in range(4):
            axis = edge % 2
            start, stop, view = rect[axis], rect[axis + 2], size[1 - axis]
            clipped = min(max(bboxes[i, edge], start), stop)
            moved = (clipped - start) * (view / (stop - start))
            # Rounding of the scale factor may move an edge out of the view.
            out[i, edge] = min(moved, view)
        if flip:
            x1, x2 = out[i, 0], out[i, 2]
            out[i, 0], out[i, 2] = size[1] - x2, size[1] - x1
    return out


def clip_bboxes(
    bboxes: np.ndarray, region: tuple[float, float, float, float]
) -> np.ndarray:
    """Clip boxes to a rectangle.

    Args:
        bboxes: (N, 4) boxes.
        region: The rectangle as a box.

    Returns:
        (N, 4) float64 boxes inside the rectangle.
    """
    x1, y1, x2, y2 = region
    clipped = np.maximum(bboxes, (x1, y1, x1, y1), dtype=np.float64)
    return np.minimum(clipped, (x2, y2, x2, y2))


def overlaps(
    bboxes: np.ndarray, region: tuple[float, float, float, float]
) -> np.ndarray:
    """Return which boxes share a positive area with a rectangle.

    Args:
        bboxes: (N, 4) boxes.
        region: The rectangle as a box.

    Returns:
        (N,) bool. A box without area overlaps nothing, and touching edges are
        no overlap.
    """
    return _overlaps(np.asarray(bboxes, np.float64), tuple(region))


@njit(cache=True)
def _overlaps(
    bboxes: np.ndarray, region: tuple[float, float, float, float]
) -> np.ndarray:
    """Compare (N, 4) float64 boxes with a rectangle."""
    found = np.empty(len(bboxes), np.bool_)
    for i in range(len(bboxes)):
        x1, y1 = max(bboxes[i, 0], region[0]), max(bboxes[i, 1], region[1])
        x2, y2 = min(bboxes[i, 2], region[2]), min(bboxes[i, 3], region[3])
        found[i] = x1 < x2 and y1 < y2
    return found


def jitter_bboxes(
    rng: np.random.Generator, bboxes: np.ndarray, prob: float, scale: float
) -> np.ndarray:
    """Shift and stretch some of the boxes.

    A jittered box has its upper left corner moved by dx w, dy h and its sides
    multiplied by 1 + dw, 1 + dh, with dx, dy, dw, dh ~ U(-scale, scale) drawn
    for each box (box jitter in section 3 of the
    paper).

    Args:
        rng: Source of all randomness.
        bboxes: (N, 4) boxes.
        prob: Probability of a box being jittered, for each box.
        scale: Largest change in units of the box's width and height.

    Returns:
        (N, 4) float64 boxes, not clipped to anything.
    """
    numbers = rng.random((len(bboxes), 5))
    return _jitter_bboxes(np.asarray(bboxes, np.float64), numbers, prob, scale)


@njit(cache=True)
def _jitter_bboxes(
    bboxes: np.ndarray, numbers: np.ndarray, prob: float, scale: float
) -> np.ndarray:
    """Jitter (N, 4) float64 boxes by (N, 5) numbers from U(0, 1)."""
    out = bboxes.copy()
    for i in range(len(bboxes)):
        if numbers[i, 4] >= prob:
            continue
        for axis in range(2):
            side = bboxes[i, axis + 2] - bboxes[i, axis]
            shift = scale * (2 * numbers[i, axis] - 1)
            stretch = scale * (2 * numbers[i, axis + 2] - 1)
            out[i, axis] += shift * side
            out[i, axis + 2] = out[i, axis] + (1 + stretch) * side
    return out
