"""Pictures of proposals, for a look at what the filter left."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

# From small boxes to large ones; color-blind readers can distinguish them too
# (after Okabe and Ito).
_COLORS = np.array(
    [[240, 228, 66], [230, 159, 0], [213, 94, 0], [204, 121, 167],
     [86, 180, 233], [0, 158, 115]]
)  # fmt: skip
_EDGE = (0, 0, 0)
_BACKGROUND = (32, 32, 32)
_TEXT = (235, 235, 235)
_TITLE_HEIGHT = 22
_FONT_SIZE = 13
_MARGIN = 8


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


def add_title(picture: np.ndarray, title: str) -> np.ndarray:
    """Put a line of text above a picture; its end, if it is too long."""
    height, width = picture.shape[:2]
    sheet = Image.new('RGB', (width, height + _TITLE_HEIGHT), _BACKGROUND)
    sheet.paste(Image.fromarray(picture), (0, _TITLE_HEIGHT))
    font = ImageFont.load_default(_FONT_SIZE)
    # Not every name can be printed in every font.
    title = title.encode('utf-8', 'replace').decode()
    if font.getlength(title) > width - 8:
        while len(title) > 1 and font.getlength('..' + title) > width - 8:
            title = title[1:]
        title = '..' + title
    ImageDraw.Draw(sheet).text((4, 3), title, _TEXT, font)
    return np.array(sheet)


def contact_sheet(pictures: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """Arrange pictures of any sizes in rows, each as high as its highest.

    Args:
        pictures: RGB, each (h, w, 3) uint8; one or more.
        columns: Pictures per row.

    Returns:
        The sheet, (H, W, 3) uint8.
    """
    cell = max(picture.shape[1] for picture in pictures) + _MARGIN
    rows = [
        pictures[i : i + columns] for i in range(0, len(pictures), columns)
    ]
    heights = [max(p.shape[0] for p in row) + _MARGIN for row in rows]
    sheet = np.empty(
        (
            sum(heights) + _MARGIN,
            min(columns, len(pictures)) * cell + _MARGIN,
            3,
        ),
        np.uint8,
    )
    sheet[:] = _BACKGROUND
    top = _MARGIN
    for row, height in zip(rows, heights, strict=True):
        for i, picture in enumerate(row):
            left = _MARGIN + i * cell
            h, w = picture.shape[:2]
            sheet[top : top + h, left : left + w] = picture
        top += height
    return sheet
