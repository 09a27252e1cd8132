"""Find all proposals that the views show."""

from collections.abc import Sequence

import numpy as np

from mmsoco.registry import TRANSFORMS

from .geometry import CropParams, clip_bboxes, crop_bboxes
from .views import check_count


@TRANSFORMS.register_module()
class ShowProposals:
    """Add all proposals that a view shows to the sample.

    `DrawViews` draws the few boxes that views are compared on; a pretext such
    as `RPNPretext` needs all of them.

    Reads what `DrawViews` reads and writes; writes

    - ``proposals``: by the number of the view a (P, 5) float32 array of rows
      x1, y1, x2, y2, share. The box is clipped to the view and lies in its
      pixels; the share is the part of the proposal's area that the view
      shows. P is ``max_number`` for every sample, so that samples can be
      stacked; the rows behind the last proposal are 0;
    - ``num_proposals``: by the number of the view how many rows count.

    Proposals that a view does not show at all are not among its rows. Of
    more than ``max_number`` some are drawn.

    Args:
        views: The views, counted from 1.
        max_number: Most proposals of a view.

    Raises:
        ValueError: If there is no view, or ``max_number`` is not positive.
    """

    def __init__(
        self, views: Sequence[int] = (1, 2), max_number: int = 256
    ) -> None:
        if not len(views):
            raise ValueError('views is empty; name at least one, e.g. (1, 2)')
        self.views = tuple(views)
        self.max_number = check_count('max_number', max_number, 10_000)

    def __call__(self, results: dict) -> dict:
        """Find the proposals of one sample; see the class."""
        crops = results['crops']
        if max(self.views) > len(crops) or min(self.views) < 1:
            raise ValueError(
                f'ShowProposals has views={self.views}, but DrawViews draws '
                f'{len(crops)} views, counted from 1'
            )
        results['proposals'], results['num_proposals'] = {}, {}
        for view in self.views:
            rows = show_proposals(results['bboxes'], crops[view - 1])
            if len(rows) > self.max_number:
                order = results['rng'].permutation(len(rows))
                rows = rows[np.sort(order[: self.max_number])]
            padded = np.zeros((self.max_number, 5), np.float32)
            padded[: len(rows)] = rows
            results['proposals'][view] = padded
            results['num_proposals'][view] = len(rows)
        return results

    def __repr__(self) -> str:
        return (
            f'ShowProposals(views={self.views}, max_number={self.max_number})'
        )


def show_proposals(bboxes: np.ndarray, crop: CropParams) -> np.ndarray:
    """Move the proposals that a view shows into its pixels.

    Args:
        bboxes: (N, 4) boxes in image pixels.
        crop: The view.

    Returns:
        (n, 5) float32 rows x1, y1, x2, y2, share, see `ShowProposals`, in
        the order of the boxes. Those without area have no row.
    """
    bboxes = np.asarray(bboxes, np.float64)
    areas, shown = (
        (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
        for boxes in (bboxes, clip_bboxes(bboxes, crop.bbox))
    )
    kept = (areas > 0) & (shown > 0)
    share = shown[kept] / areas[kept]
    boxes = crop_bboxes(bboxes[kept], crop)
    return np.hstack([boxes, share[:, None].astype(np.float32)])
