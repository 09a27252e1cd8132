"""Arrange pictures in one, put titles above them, and save them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mmsoco.images.writing import write_jpeg_or_png

_BACKGROUND = (32, 32, 32)
_TEXT = (235, 235, 235)
_TITLE_HEIGHT = 22
_FONT_SIZE = 13
_MARGIN = 8
# Of JPEG, from 1 to 95: text stays sharp.
_QUALITY = 90


def add_title(picture: np.ndarray, title: str) -> np.ndarray:
    """Put a line of text above a picture, or its end if it is too long."""
    height, width = picture.shape[:2]
    sheet = Image.new('RGB', (width, height + _TITLE_HEIGHT), _BACKGROUND)
    sheet.paste(Image.fromarray(picture), (0, _TITLE_HEIGHT))
    font = ImageFont.load_default(_FONT_SIZE)
    # Not every name can be drawn in every font.
    title = title.encode('utf-8', 'replace').decode()
    if font.getlength(title) > width - 8:
        while len(title) > 1 and font.getlength('..' + title) > width - 8:
            title = title[1:]
        title = '..' + title
    ImageDraw.Draw(sheet).text((4, 3), title, _TEXT, font)
    return np.array(sheet)


def contact_sheet(pictures: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """Arrange pictures of any sizes in rows.

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


def grid(rows: Sequence[Sequence[np.ndarray]], gap: int = 6) -> np.ndarray:
    """Lay pictures out in rows and columns on white.

    Args:
        rows: (H, W, 3) uint8 pictures; all of one size, rows of one length.
        gap: Pixels between two pictures.

    Returns:
        (H', W', 3) uint8.
    """
    height, width = rows[0][0].shape[:2]
    columns = len(rows[0])
    canvas = np.full(
        (len(rows) * (height + gap) - gap, columns * (width + gap) - gap, 3),
        255,
        np.uint8,
    )
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            top, left = i * (height + gap), j * (width + gap)
            canvas[top : top + height, left : left + width] = picture
    return canvas


def save_picture(picture: np.ndarray, path: Path) -> None:
    """Save a picture as PNG or JPEG, by the ending of the name.

    Args:
        picture: (H, W, 3) uint8 RGB.
        path: The file; its folder is made.

    Raises:
        OSError: If it could not be written.
    """
    write_jpeg_or_png(Image.fromarray(picture), path, _QUALITY)
