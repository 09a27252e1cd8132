"""Draw proposals, to inspect the result of the filter."""

import numpy as np
from PIL import Image, ImageDraw

# From small boxes to large ones; color-blind readers can distinguish them too
# (after Okabe and Ito).
_COLORS = np.array(
    [[240, 228, 66], [230, 159, 0], [213, 94, 0], [204, 121, 167],
     [86, 180, 233], [0, 158, 115]]
)  # fmt: skip
_EDGE = (0, 0, 0)


def draw_proposals(
    rgb: np.ndarray, bboxes: np.ndarray, longest_side: int | None = None
) -> np.ndarray:
    """Draw the proposals of an image, large ones first.

    The color shows the size, sqrt(area) over that of the image: from yellow
    (0.3) through red and blue to green (0.8).

    Args:
        rgb: The image, (H, W, 3) uint8.
        bboxes: (N, 4) xyxy in its pixels; N may be 0.
        longest_side: Shrink the picture to this; not shrunk by default.

    Returns:
        RGB picture, (h, w, 3) uint8.
    """
    picture = Image.fromarray(rgb)
    zoom = min((longest_side or max(picture.size)) / max(picture.size), 1)
    if zoom < 1:
        size = [max(round(side * zoom), 1) for side in picture.size]
        picture = picture.resize(size, Image.Resampling.BOX)
    areas = np.prod(bboxes[:, 2:] - bboxes[:, :2], axis=1)
    scales = np.sqrt(areas / (rgb.shape[0] * rgb.shape[1]))
    draw = ImageDraw.Draw(picture)
    for i in np.argsort(-areas, kind='stable'):
        x1, y1, x2, y2 = (np.asarray(bboxes[i]) * zoom).tolist()
        # The last pixel inside a continuous box that ends at x2.
        corners = x1, y1, max(x2 - 1, x1), max(y2 - 1, y1)
        draw.rectangle(corners, outline=_EDGE, width=3)
        draw.rectangle(corners, outline=_color(scales[i]), width=2)
    return np.array(picture)


def _color(scale: float) -> tuple[int, int, int]:
    """Choose the color of a box by its size relative to the image."""
    at = np.clip((scale - 0.3) / (0.8 - 0.3), 0, 1) * (len(_COLORS) - 1)
    low = int(at)
    high = min(low + 1, len(_COLORS) - 1)
    mixed = _COLORS[low] * (1 - at + low) + _COLORS[high] * (at - low)
    red, green, blue = (int(value) for value in mixed)
    return red, green, blue
