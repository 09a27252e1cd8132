"""Draw the views of a sample together with the proposals they share.

Two views of a pair are worth comparing only if they have objects in common,
so the crops and the choice of proposals are drawn jointly.
"""

from collections.abc import Sequence

import numpy as np

from mmsoco.registry import TRANSFORMS
from mmsoco.structures import ViewPair, parse_pairs, roi_sets

from .geometry import (
    CropParams,
    crop_bboxes,
    crop_image,
    jitter_bboxes,
    overlaps,
)
from .views import ResizedView, check_count

# A pair of views is drawn again until they share this many proposals, as in
# the published code.
_MIN_SHARED = 2
# Sanity limits: the paper uses 4 proposals and up to 16 tries. An image has
# about 25 proposals; more would only be repetitions.
_MAX_PROPOSALS = 128
_MAX_TRIES = 1000


@TRANSFORMS.register_module()
class DrawViews:
    """Draw the views of a sample and the proposals that each pair shares.

    For each pair in turn, the views that no earlier pair has drawn are drawn
    together, up to ``max_tries`` times, until two proposals overlap both views
    (one, if the image has only one); if no draw succeeds, the one with the
    most is kept. Of the overlapping proposals, ``num_proposals`` are taken at
    random without replacement; if there are fewer, all are taken and some are
    repeated. When none overlaps, the box is the whole view. The same
    proposals, in the same order, are then clipped to both views; box k of one
    view and box k of the other show the same object.

    Without pairs each view is drawn once by itself and has no boxes: the
    input of methods that compare whole images.

    Reads from the sample ``img``, ``bboxes`` ((N, 4), N at least 1) and
    ``rng``; writes

    - ``views``: (h, w, 3) uint8 images by the number of their view, without
      the resized views, which `SoCoDataPreprocessor` makes;
    - ``crops``: list of `CropParams`, one per view;
    - ``originals``: list of int, per view the view it takes its pixels from;
    - ``roi_sets``: list of `RoISet`;
    - ``view_bboxes``: list of (K, 4) float32 arrays in the view's pixels, one
      per RoI set.

    Args:
        views: The views, each a dict with the type `WholeImageView`,
            `RandomCropView` or `ResizedView`; they count from 1.
        pairs: The pairs of views, see `mmsoco.structures.parse_pairs`; none
            for methods on whole images.
        num_proposals: Number K of proposals of a pair.
        max_tries: Largest number of draws of a pair's views.

    Raises:
        ValueError: If the pairs name a view that is not there, a view is in
            no pair, a `ResizedView` has no original, or a pair borrows the
            proposals of a pair that shows another part of the image.
    """

    def __init__(
        self,
        views: Sequence[dict],
        pairs: Sequence[Sequence[int] | dict] = (),
        num_proposals: int = 4,
        max_tries: int = 5,
    ) -> None:
        self.views = [TRANSFORMS.build(view) for view in views]
        self.pairs = parse_pairs(pairs) if len(pairs) else []
        self.roi_sets = roi_sets(self.pairs)
        self.num_proposals = check_count(
            'num_proposals', num_proposals, _MAX_PROPOSALS
        )
        self.max_tries = check_count('max_tries', max_tries, _MAX_TRIES)
        self._check_views()
        self._check_borrowed()

    def __call__(self, results: dict) -> dict:
        """Draw views and boxes of one sample; see the class."""
        rng, img = results['rng'], results['img']
        bboxes = np.asarray(results['bboxes'], np.float64)
        crops: dict[int, CropParams] = {}
        drawn: dict[tuple, np.ndarray] = {}
        for pair in self.pairs:
            if pair.proposals_of != pair.views:
                continue
            shared = self._draw_pair(rng, pair, img.shape[:2], bboxes, crops)
            drawn |= self._boxes_of_pair(rng, pair, bboxes, shared, crops)
        if not self.pairs:
            self._draw_alone(rng, img.shape[:2], crops)
        numbers = range(1, len(self.views) + 1)
        results['originals'] = [self.original(view) for view in numbers]
        results['crops'] = [self._crop_of(view, crops) for view in numbers]
        results['views'] = {
            view: crop_image(img, results['crops'][view - 1])
            for view in numbers
            if self.original(view) == view
        }
        results['roi_sets'] = self.roi_sets
        results['view_bboxes'] = [
            crop_bboxes(
                drawn[self.original(view), pair], results['crops'][view - 1]
            )
            for view, pair in self.roi_sets
        ]
        return results

    def original(self, view: int) -> int:
        """Return the view that is drawn for a view: itself, or its original.

        Args:
            view: A view, counted from 1.

        Returns:
            The original of a `ResizedView`, else the view itself.
        """
        spec = self.views[view - 1]
        return spec.of if isinstance(spec, ResizedView) else view

    def _draw_alone(
        self,
        rng: np.random.Generator,
        image_size: tuple[int, int],
        crops: dict[int, CropParams],
    ) -> None:
        """Add the crop of every view, each drawn once."""
        for view, spec in enumerate(self.views, 1):
            if not isinstance(spec, ResizedView):
                crops[view] = spec.draw(rng, *image_size)

    def _crop_of(self, view: int, crops: dict[int, CropParams]) -> CropParams:
        crop = crops[self.original(view)]
        return crop._replace(size=self.views[view - 1].size)

    def _draw_pair(
        self,
        rng: np.random.Generator,
        pair: ViewPair,
        image_size: tuple[int, int],
        bboxes: np.ndarray,
        crops: dict[int, CropParams],
    ) -> np.ndarray:
        """Add the pair's crops to ``crops``; return (n,) shared proposals."""
        originals = {self.original(view): None for view in pair.views}
        new = [view for view in originals if view not in crops]
        wanted = min(_MIN_SHARED, len(bboxes))
        best: tuple[np.ndarray, dict] | None = None
        for _ in range(self.max_tries if new else 1):
            draw = {v: self.views[v - 1].draw(rng, *image_size) for v in new}
            trial = crops | draw
            in_both = [overlaps(bboxes, trial[v].bbox) for v in originals]
            shared = np.flatnonzero(np.all(in_both, axis=0))
            if best is None or len(shared) > len(best[0]):
                best = shared, draw
            if len(shared) >= wanted:
                break
        assert best is not None  # there is at least one draw
        crops.update(best[1])
        return best[0]

    def _boxes_of_pair(
        self,
        rng: np.random.Generator,
        pair: ViewPair,
        bboxes: np.ndarray,
        shared: np.ndarray,
        crops: dict[int, CropParams],
    ) -> dict[tuple, np.ndarray]:
        """Choose K proposals; return their image boxes by (view, pair)."""
        chosen = choose_proposals(rng, shared, self.num_proposals)
        boxes = {}
        for view in {self.original(view): None for view in pair.views}:
            spec = self.views[view - 1]
            if len(chosen):
                source = bboxes[chosen]
            else:
                source = np.tile(crops[view].bbox, (self.num_proposals, 1))
            if spec.jitter_prob:
                source = jitter_bboxes(
                    rng, source, spec.jitter_prob, spec.jitter_scale
                )
            boxes[view, pair.views] = source
        return boxes

    def _check_views(self) -> None:
        count = len(self.views)
        used = {view for pair in self.pairs for view in pair.views}
        if self.pairs and used != set(range(1, count + 1)):
            raise ValueError(
                f'pairs must use each of the {count} views, counted from 1; '
                f'they use {sorted(used)}'
            )
        for number, view in enumerate(self.views, 1):
            if not isinstance(view, ResizedView):
                continue
            of = self.views[view.of - 1] if 1 <= view.of <= count else view
            if isinstance(of, ResizedView):
                raise ValueError(
                    f'view {number} is a ResizedView of view {view.of}, '
                    'which is not a view of the image itself'
                )

    def _check_borrowed(self) -> None:
        for pair in self.pairs:
            shown = {self.original(view) for view in pair.views}
            known = {self.original(view) for view in pair.proposals_of}
            if not shown <= known:
                raise ValueError(
                    f'pair {pair.views} takes the proposals of '
                    f'{pair.proposals_of}, but shows other crops; only a '
                    'ResizedView of those views can share their proposals'
                )

    def __repr__(self) -> str:
        return (
            f'DrawViews(views={self.views}, pairs={self.pairs}, '
            f'num_proposals={self.num_proposals}, '
            f'max_tries={self.max_tries})'
        )


def choose_proposals(
    rng: np.random.Generator, candidates: np.ndarray, num_proposals: int
) -> np.ndarray:
    """Choose K of the candidates, repeating some if there are fewer.

    Args:
        rng: Source of all randomness.
        candidates: (n,) indices.
        num_proposals: Number K to choose.

    Returns:
        (K,) indices in random order, without repeats if n >= K, with each
        candidate at least once if n < K; (0,) if n is 0.
    """
    count = len(candidates)
    chosen = rng.permutation(candidates)[:num_proposals]
    if 0 < count < num_proposals:
        extra = rng.choice(candidates, size=num_proposals - count)
        chosen = np.concatenate([chosen, extra])
    return chosen
