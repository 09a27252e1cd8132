"""Draw samples: the views of an image with their matched boxes."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from mmsoco.datasets.transforms.formatting import view_pixels
from mmsoco.structures import RoISet, ViewPair, roi_sets

# Okabe and Ito's colors, distinguished by color-blind readers too (RGB).
PALETTE = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (213, 94, 0),
    (204, 121, 167),
    (0, 114, 178),
    (255, 255, 255),
)
_BACKGROUND = 32
_MARGIN = 8
_TITLE_HEIGHT = 22
_FONT = cv2.FONT_HERSHEY_SIMPLEX

# A function from (K, 4) boxes in a view's pixels to K level names.
LevelNames = Callable[[np.ndarray], Sequence[str]]


def draw_sample(
    sample: dict,
    pairs: Sequence[ViewPair],
    scale: int = 2,
    level_names: LevelNames | None = None,
) -> np.ndarray:
    """Draw a packed sample: one row per pair, its two views side by side.

    Boxes of the same color are matched. Each is labeled with the pyramid level
    that it is pooled from, if known; gray squares are cut out.

    Args:
        sample: A sample from `PackViews`.
        pairs: The pairs of the `DrawViews` that made it.
        scale: Number of screen pixels of a view's pixel.
        level_names: See `mmsoco.visualization.browse_views.level_names`.

    Returns:
        (H, W, 3) uint8 RGB picture.
    """
    data = sample['data_samples']
    boxes = dict(zip(roi_sets(pairs), data['bboxes'], strict=True))
    rows = []
    for pair in pairs:
        panels = [
            _titled(
                draw_view(
                    view_pixels(sample, view),
                    boxes[RoISet(view, pair.proposals_of)].numpy(),
                    data['cutout'][view - 1].numpy(),
                    scale,
                    level_names,
                ),
                f'view {view}',
            )
            for view in pair.views
        ]
        rows.append(_join(panels, axis=1))
    return _join(rows, axis=0)


def draw_view(
    view: np.ndarray,
    bboxes: np.ndarray,
    cutout: np.ndarray,
    scale: int = 2,
    level_names: LevelNames | None = None,
) -> np.ndarray:
    """Draw the boxes of one view, each with its pyramid level.

    Args:
        view: (h, w, 3) uint8 RGB view.
        bboxes: (K, 4) boxes in the view's pixels; box k has color k.
        cutout: (R, 4) boxes that will be set to the mean.
        scale: Number of screen pixels of a view's pixel.
        level_names: Names the boxes' pyramid levels; None draws no label.

    Returns:
        (scale h, scale w, 3) uint8 RGB picture.
    """
    picture = cv2.resize(
        np.ascontiguousarray(view),
        None,
        fx=scale,
        fy=scale,
        interpolation=cv2.INTER_NEAREST,
    )
    for x1, y1, x2, y2 in np.rint(cutout * scale).astype(int):
        picture[y1:y2, x1:x2] = 128
    corners = np.rint(bboxes * scale).astype(int)
    for k, box in enumerate(corners):
        # Repeated proposals get nested frames, which stay visible.
        _draw_box(picture, box + [k, k, -k, -k], PALETTE[k % len(PALETTE)])
    names = level_names(bboxes) if level_names else ()
    for k, (box, name) in enumerate(zip(corners, names, strict=False)):
        _draw_label(picture, box, k, name)
    return picture


def _draw_box(
    picture: np.ndarray, box: np.ndarray, color: tuple[int, int, int]
) -> None:
    x1, y1, x2, y2 = box.tolist()
    cv2.rectangle(picture, (x1, y1), (x2 - 1, y2 - 1), color, 2)


def _draw_label(
    picture: np.ndarray, box: np.ndarray, k: int, text: str
) -> None:
    """Write the level into the box, the labels of one corner in a row."""
    (width, height), _ = cv2.getTextSize(text, _FONT, 0.4, 1)
    x = min(box[0] + 4 + k * (width + 6), picture.shape[1] - width - 4)
    y = min(box[1] + height + 6, picture.shape[0] - 4)
    color = PALETTE[k % len(PALETTE)]
    corner = (x - 2, y - height - 2), (x + width + 2, y + 3)
    cv2.rectangle(picture, *corner, color, cv2.FILLED)
    cv2.putText(picture, text, (x, y), _FONT, 0.4, (0, 0, 0), 1, cv2.LINE_AA)


def _titled(picture: np.ndarray, title: str) -> np.ndarray:
    shape = (_TITLE_HEIGHT, picture.shape[1], 3)
    bar = np.full(shape, _BACKGROUND, np.uint8)
    white = (255, 255, 255)
    cv2.putText(bar, title, (4, 15), _FONT, 0.45, white, 1, cv2.LINE_AA)
    return np.concatenate([bar, picture])


def _join(pictures: Sequence[np.ndarray], axis: int) -> np.ndarray:
    """Put pictures next to or below each other, with a margin between."""
    other = 1 - axis
    longest = max(p.shape[other] for p in pictures)
    padded = []
    for picture in pictures:
        pad = [(0, 0)] * 3
        pad[other] = (0, longest - picture.shape[other])
        pad[axis] = (0, _MARGIN)
        padded.append(np.pad(picture, pad, constant_values=_BACKGROUND))
    return np.concatenate(padded, axis=axis)
