"""Draw labeled objects that no proposal finds."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from mmsoco.images.reading import read_rgb

from .browse import spread
from .detections import LABEL, MISSED, WRONG
from .sheets import add_title, contact_sheet

_EDGE = (0, 0, 0)
_PICTURES, _COLUMNS = 12, 4
# Longest side of each picture, pixels.
_SIZE = 320


@dataclass(frozen=True, eq=False)
class FoundObjects:
    """The objects of a picture, and how well its boxes find them.

    Attributes:
        file_name: Name of the picture, relative to its folder.
        objects: (n, 4) xyxy, absolute pixels.
        nearest: (n, 4) xyxy: the box with the largest overlap; without area if
            no box overlaps.
        overlaps: (n,) its IoU.
    """

    file_name: str
    objects: np.ndarray
    nearest: np.ndarray
    overlaps: np.ndarray

    def missed(self, iou: float) -> np.ndarray:
        """Mark the objects that no box finds: (n,) bool."""
        return self.overlaps < iou


def draw_missed(
    pictures: Sequence[FoundObjects], images: Path, iou: float
) -> np.ndarray | None:
    """Draw missed objects, each with the nearest box.

    Found objects are blue, missed ones yellow, the nearest boxes of these
    orange.

    Args:
        pictures: The pictures; those drawn are spread over those with a
            missed object.
        images: Folder of the pictures.
        iou: Least overlap of a found object.

    Returns:
        (H, W, 3) uint8 RGB; None if nothing is missed.

    Raises:
        UnreadableImageError: If a picture cannot be read.
    """
    missing = [p for p in pictures if p.missed(iou).any()]
    if not missing:
        return None
    chosen = [missing[i] for i in spread(len(missing), _PICTURES)]
    drawn = [_draw_picture(p, images, iou) for p in chosen]
    return contact_sheet(drawn, _COLUMNS)


def _draw_picture(found: FoundObjects, images: Path, iou: float) -> np.ndarray:
    rgb = read_rgb(images / found.file_name)
    zoom = min(_SIZE / max(rgb.shape[:2]), 1)
    sides = [max(round(side * zoom), 1) for side in rgb.shape[1::-1]]
    picture = Image.fromarray(rgb).resize(sides, Image.Resampling.BOX)
    draw = ImageDraw.Draw(picture)
    missed = found.missed(iou)
    layers = (
        (found.objects[~missed], LABEL),
        (found.nearest[missed], WRONG),
        (found.objects[missed], MISSED),
    )
    for boxes, color in layers:
        for x1, y1, x2, y2 in (boxes * zoom).tolist():
            if x2 <= x1 or y2 <= y1:
                continue
            corners = x1, y1, max(x2 - 1, x1), max(y2 - 1, y1)
            draw.rectangle(corners, outline=_EDGE, width=3)
            draw.rectangle(corners, outline=color, width=2)
    title = f'{found.file_name}: {missed.sum()} of {len(missed)} missed'
    return add_title(np.array(picture), title)
