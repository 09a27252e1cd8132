"""Draw rectangles that hide a part of an object."""

from collections.abc import Sequence

import numpy as np

from mmsoco.registry import TRANSFORMS

from .geometry import clip_bboxes
from .views import check_range, check_share


@TRANSFORMS.register_module()
class DrawCutout:
    """Draw one rectangle per box, which will be set to the mean.

    Only the numbers are drawn here: `SoCoDataPreprocessor` clears the
    rectangles after it has normalized the pixels, so that they become exactly
    the mean. A `ResizedView` gets its original's rectangles, scaled.

    Reads what `DrawViews` writes; writes ``cutout``, one (R, 4) float32 array
    of boxes per view in the view's pixels, where R counts the boxes on that
    view and is 0 for the views left out. A box without cutout has a rectangle
    without area.

    Args:
        prob: Probability that a part of a box is hidden.
        area: Range of the rectangle's share of the box's area.
        skip_views: Views left whole, counted from 1.

    Raises:
        ValueError: If the probability or the range lies outside [0, 1].
    """

    def __init__(
        self,
        prob: float = 0.5,
        area: tuple[float, float] = (0.1, 0.3),
        skip_views: Sequence[int] = (1,),
    ) -> None:
        self.prob = check_share('prob', prob)
        self.area = check_range('area', area, upper=1.0)
        self.skip_views = tuple(skip_views)

    def __call__(self, results: dict) -> dict:
        """Draw the rectangles of one sample; see the class."""
        crops, originals = results['crops'], results['originals']
        drawn = {}
        for view in dict.fromkeys(originals):
            bboxes = [
                boxes
                for roi_set, boxes in zip(
                    results['roi_sets'], results['view_bboxes'], strict=True
                )
                if roi_set.view == view and view not in self.skip_views
            ]
            drawn[view] = draw_cutout(
                results['rng'],
                np.concatenate([np.empty((0, 4), np.float32), *bboxes]),
                self.prob,
                self.area,
                crops[view - 1].size,
            )
        results['cutout'] = [
            _scale(drawn[of], crops[of - 1].size, crop.size)
            for of, crop in zip(originals, crops, strict=True)
        ]
        return results

    def __repr__(self) -> str:
        return (
            f'DrawCutout(prob={self.prob}, area={self.area}, '
            f'skip_views={self.skip_views})'
        )


def draw_cutout(
    rng: np.random.Generator,
    bboxes: np.ndarray,
    prob: float,
    area: tuple[float, float],
    size: tuple[int, int],
) -> np.ndarray:
    """Draw a square around a random point of each box.

    Args:
        rng: Source of all randomness.
        bboxes: (N, 4) boxes in the view's pixels.
        prob: Probability of a box having a square.
        area: Range of the square's share of the box's area.
        size: (height, width) of the view.

    Returns:
        (N, 4) float32 boxes clipped to the view; without area where a box has
        no square.
    """
    count = len(bboxes)
    sides = bboxes[:, 2:] - bboxes[:, :2]
    hidden = rng.random(count) < prob
    share = rng.uniform(*area, size=count)
    centres = bboxes[:, :2] + rng.random((count, 2)) * sides
    half = 0.5 * np.sqrt(share * sides.prod(axis=1)) * hidden
    squares = np.hstack([centres - half[:, None], centres + half[:, None]])
    view = (0, 0, size[1], size[0])
    return clip_bboxes(squares, view).astype(np.float32)


def _scale(
    bboxes: np.ndarray, old: tuple[int, int], new: tuple[int, int]
) -> np.ndarray:
    factors = [new[1] / old[1], new[0] / old[0]] * 2
    return (bboxes * factors).astype(np.float32)
