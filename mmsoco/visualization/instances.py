"""Draw labeled or detected objects: masks, boxes and classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from .views import PALETTE

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FONT_SCALE = 0.55
_OPACITY = 0.45
# Screen pixels per pixel of the image.
_SCALE = 2


@dataclass(frozen=True)
class DrawnInstance:
    """An object to draw.

    Attributes:
        label: Index of its class, which chooses the color.
        bbox: x1, y1, x2, y2 in pixels of the image, absolute, continuous.
        mask: (H, W) bool.
        text: What is written at the box.
    """

    label: int
    bbox: tuple[float, float, float, float]
    mask: np.ndarray
    text: str


def draw_instances(
    image: np.ndarray, instances: Sequence[DrawnInstance]
) -> np.ndarray:
    """Draw objects onto a copy of an image.

    Args:
        image: (H, W, 3) uint8 RGB.
        instances: The objects; later ones are on top.

    Returns:
        (2 H, 2 W, 3) uint8 RGB.
    """
    size = (image.shape[1] * _SCALE, image.shape[0] * _SCALE)
    picture = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
    for instance in instances:
        color = PALETTE[instance.label % len(PALETTE)]
        mask = cv2.resize(instance.mask.astype(np.uint8), size) > 0
        tinted = picture[mask] * (1 - _OPACITY) + np.array(color) * _OPACITY
        picture[mask] = tinted.astype(np.uint8)
        outline, _ = cv2.findContours(
            mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
        )
        cv2.drawContours(picture, outline, -1, color, 2, cv2.LINE_AA)
    for instance in instances:
        _draw_box(picture, instance)
    return picture


def _draw_box(picture: np.ndarray, instance: DrawnInstance) -> None:
    color = PALETTE[instance.label % len(PALETTE)]
    x1, y1, x2, y2 = np.rint(np.array(instance.bbox) * _SCALE).astype(int)
    cv2.rectangle(picture, (x1, y1), (x2 - 1, y2 - 1), color, 1)
    (width, height), _ = cv2.getTextSize(instance.text, _FONT, _FONT_SCALE, 1)
    # inside the picture, and above the box if there is room
    left = int(np.clip(x1, 0, max(picture.shape[1] - width - 6, 0)))
    bottom = max(y1, height + 7)
    top_left, bottom_right = (
        (left, bottom - height - 7),
        (left + width + 6, bottom),
    )
    cv2.rectangle(picture, top_left, bottom_right, color, cv2.FILLED)
    cv2.putText(
        picture, instance.text, (left + 3, bottom - 4), _FONT, _FONT_SCALE,
        (0, 0, 0), 1, cv2.LINE_AA,
    )  # fmt: skip
