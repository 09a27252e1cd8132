"""Crops, and what they do to pixels and boxes.

`CropParams` says where a view comes from; `crop_image` and `crop_bboxes`
apply the same numbers to the image and to its proposals. Nothing here draws a
random number except the two functions that take a generator.

Boxes are (N, 4) arrays x1, y1, x2, y2 in pixels, continuous: a box around a
single pixel (0, 0) is (0, 0, 1, 1). Sizes are (height, width).
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch.nn.functional import interpolate

# torchvision's RandomResizedCrop gives up after as many draws.
_CROP_ATTEMPTS = 10


@dataclass(frozen=True)
class CropParams:
    """A rectangle of the image and what is made of it.

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
    log_aspect = np.log(aspect)
    for _ in range(_CROP_ATTEMPTS):
        target = height * width * rng.uniform(*area)
        ratio = math.exp(rng.uniform(*log_aspect))
        w = round(math.sqrt(target * ratio))
        h = round(math.sqrt(target / ratio))
        if 0 < w <= width and 0 < h <= height:
            x = int(rng.integers(0, width - w + 1))
            y = int(rng.integers(0, height - h + 1))
            return x, y, w, h
    return central_crop(height, width, aspect)


def central_crop(
    height: int, width: int, aspect: tuple[float, float]
) -> tuple[int, int, int, int]:
    """Give the largest central rectangle with an allowed aspect ratio.

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
        img: (H, W, 3) uint8 image.
        crop: The rectangle, the size of the view and whether it is mirrored.

    Returns:
        (h, w, 3) uint8 view, where h, w is ``crop.size``.
    """
    part = img[crop.y : crop.y + crop.h, crop.x : crop.x + crop.w]
    # Mirrored before it is resized, since the part is copied anyway.
    return resize_image(cv2.flip(part, 1) if crop.flip else part, crop.size)


def resize_image(img: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize bilinearly with antialiasing, as PIL does.

    OpenCV's bilinear resize skips pixels when it shrinks an image, which
    moves the mean by several grey levels; torch's antialiased one stays
    within rounding of PIL's.

    Args:
        img: (H, W, 3) uint8 image.
        size: (height, width) of the result.

    Returns:
        (h, w, 3) uint8 image.
    """
    # A batch of one in channels-last order is what torch's fast uint8 kernel
    # takes without a copy; copying a crop's rows together first halves its
    # time.
    batch = torch.from_numpy(np.ascontiguousarray(img)[None])
    batch = batch.permute(0, 3, 1, 2)  # (1, 3, H, W)
    resized = interpolate(
        batch, size=size, mode='bilinear', align_corners=False, antialias=True
    )
    return resized[0].permute(1, 2, 0).numpy()  # (h, w, 3)


def crop_bboxes(bboxes: np.ndarray, crop: CropParams) -> np.ndarray:
    """Move boxes from the image into a view: clip, shift, scale, mirror.

    Args:
        bboxes: (N, 4) boxes in image pixels.
        crop: The rectangle, the size of the view and whether it is mirrored.

    Returns:
        (N, 4) float32 boxes in the view's pixels, inside the view. A box
        outside of the rectangle becomes one without area on its border.
    """
    view_h, view_w = crop.size
    scale_x, scale_y = view_w / crop.w, view_h / crop.h
    moved = clip_bboxes(bboxes, crop.bbox)
    moved -= (crop.x, crop.y, crop.x, crop.y)
    moved *= (scale_x, scale_y, scale_x, scale_y)
    if crop.flip:
        moved[:, [0, 2]] = view_w - moved[:, [2, 0]]
    # The scale factor's rounding may carry an edge past the view's.
    return clip_bboxes(moved, (0, 0, view_w, view_h)).astype(np.float32)


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
    """Tell which boxes share a positive area with a rectangle.

    Args:
        bboxes: (N, 4) boxes.
        region: The rectangle as a box.

    Returns:
        (N,) bool. A box without area overlaps nothing, and touching edges are
        no overlap.
    """
    clipped = clip_bboxes(bboxes, region)
    return (clipped[:, 2:] > clipped[:, :2]).all(axis=1)


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
    bboxes = np.asarray(bboxes, np.float64)
    jittered = rng.random(len(bboxes)) < prob
    delta = rng.uniform(-scale, scale, size=(len(bboxes), 4))
    delta *= jittered[:, None]
    sizes = bboxes[:, 2:] - bboxes[:, :2]
    corners = bboxes[:, :2] + delta[:, :2] * sizes
    return np.hstack([corners, corners + (1 + delta[:, 2:]) * sizes])


def pyramid_levels(
    bboxes: np.ndarray, finest_scale: float = 24, num_levels: int = 4
) -> np.ndarray:
    """Give the pyramid level from which a box is pooled.

    level = floor(log2(sqrt(area) / finest_scale)), between 0 (P2) and
    num_levels - 1: with the defaults the levels change at sqrt(area) = 48,
    96 and 192 pixels of the view (scale-aware assignment in section 3 of the
    paper). It is the rule of mmdet's ``SingleRoIExtractor``.

    Args:
        bboxes: (N, 4) boxes in the view's pixels.
        finest_scale: Half the square root of the area at which level 1
            begins.
        num_levels: Number of levels.

    Returns:
        (N,) int64, 0 for the finest level.
    """
    sizes = np.asarray(bboxes, np.float64)[:, 2:] - bboxes[:, :2]
    scale = np.sqrt(np.maximum(sizes, 0).prod(axis=1))
    # 1e-6 as in mmdet: no logarithm of zero.
    levels = np.floor(np.log2(scale / finest_scale + 1e-6))
    return np.clip(levels, 0, num_levels - 1).astype(np.int64)
