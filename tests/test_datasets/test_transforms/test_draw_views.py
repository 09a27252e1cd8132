import pickle

import numpy as np
import pytest

from mmsoco.datasets.transforms import DrawViews, PackViews
from mmsoco.datasets.transforms.draw_views import choose_proposals
from mmsoco.datasets.transforms.geometry import (
    CropParams,
    crop_bboxes,
    overlaps,
)

WHOLE = dict(type='WholeImageView', size=32, flip_prob=0.0)
CROP = dict(type='RandomCropView', size=32, area=(0.5, 1.0))
SMALL = dict(type='RandomCropView', size=16, area=(0.5, 1.0))
FPN = dict(views=[WHOLE, CROP, SMALL], pairs=[(1, 2), (1, 3)])
STAR = dict(
    views=[WHOLE, CROP, SMALL, dict(type='ResizedView', of=2, size=8)],
    pairs=[(1, 2), (1, 3), dict(views=(1, 4), proposals_of=(1, 2))],
)


def sample(bboxes, seed=0, size=(80, 100)):
    img = np.random.default_rng(7).integers(0, 256, (*size, 3), np.uint8)
    return dict(
        img=img,
        bboxes=np.array(bboxes, np.float32).reshape(-1, 4),
        rng=np.random.default_rng(seed),
    )


def grid_boxes(n):
    rng = np.random.default_rng(n)
    corners = rng.integers(0, 50, (n, 2))
    return np.hstack([corners, corners + rng.integers(5, 30, (n, 2))])


def source_of(results, roi_set):
    """Which proposals the boxes of a set come from, by a search over all."""
    crop = results['crops'][roi_set.view - 1]
    candidates = crop_bboxes(results['bboxes'], crop)
    boxes = results['view_bboxes'][results['roi_sets'].index(roi_set)]
    distance = abs(boxes[:, None] - candidates[None]).sum(-1)  # (K, N)
    assert np.allclose(distance.min(axis=1), 0, atol=1e-4)
    return distance < 1e-4


@pytest.mark.parametrize('count', [4, 7, 25])
def test_both_views_of_a_pair_show_the_same_proposals(count):
    transform = DrawViews(**FPN)
    for seed in range(20):
        results = transform(sample(grid_boxes(count), seed))
        one, two, one_again, three = results['roi_sets']
        for first, second in ((one, two), (one_again, three)):
            same = source_of(results, first) & source_of(results, second)
            assert same.any(axis=1).all()


def test_proposals_overlap_both_views_and_are_not_repeated():
    transform = DrawViews(**FPN)
    for seed in range(50):
        results = transform(sample(grid_boxes(25), seed))
        for bboxes in results['view_bboxes']:
            assert bboxes.shape == (4, 4) and bboxes.dtype == np.float32
            sides = bboxes[:, 2:] - bboxes[:, :2]
            assert (sides > 0).all()
        one = source_of(results, results['roi_sets'][0])
        assert (one.sum(axis=0) <= 1).all()


@pytest.mark.parametrize('k', [1, 4, 8, 16])
def test_number_of_proposals_is_an_option(k):
    results = DrawViews(**FPN, num_proposals=k)(sample(grid_boxes(9)))
    assert [b.shape for b in results['view_bboxes']] == [(k, 4)] * 4


def test_one_proposal_is_repeated():
    whole = [[0, 0, 100, 80]]
    results = DrawViews(**FPN)(sample(whole))
    for (view, _), bboxes in zip(
        results['roi_sets'], results['view_bboxes'], strict=True
    ):
        height, width = results['crops'][view - 1].size
        assert np.allclose(bboxes, [[0, 0, width, height]] * 4)


def test_without_overlap_the_box_is_the_whole_view():
    """A point has no area, so no draw of the crops can show it."""
    results = DrawViews(**FPN)(sample([[3, 3, 3, 3]] * 5))
    sizes = (32, 32, 32, 16)
    for side, bboxes in zip(sizes, results['view_bboxes'], strict=True):
        assert np.allclose(bboxes, [[0, 0, side, side]] * 4)


class CountingView:
    """Shows the given rectangles one after the other."""

    jitter_prob = 0.0
    size = (10, 10)

    def __init__(self, *rects):
        self.rects = rects
        self.drawn = 0

    def draw(self, rng, height, width):
        rect = self.rects[min(self.drawn, len(self.rects) - 1)]
        self.drawn += 1
        return CropParams(*rect, size=self.size)


LEFT, MIDDLE, RIGHT = (0, 0, 10, 80), (0, 0, 30, 80), (0, 0, 60, 80)
THREE_BOXES = [[20, 5, 28, 15], [40, 5, 50, 15], [70, 5, 90, 15]]


@pytest.mark.parametrize(
    'rects, draws, width',
    [
        ([RIGHT], 1, 60),  # two overlap at once
        ([LEFT, MIDDLE, RIGHT], 3, 60),  # until two do
        ([LEFT, MIDDLE, LEFT], 5, 30),  # at most five; then one will do
        ([LEFT], 5, 10),  # none of the five
    ],
)
def test_crops_are_drawn_again_until_two_proposals_overlap(
    rects, draws, width
):
    transform = DrawViews(views=[WHOLE, CROP], pairs=[(1, 2)])
    transform.views[1] = view = CountingView(*rects)
    results = transform(sample(THREE_BOXES))
    assert view.drawn == draws
    assert results['crops'][1].w == width


def test_an_image_with_one_proposal_is_content_with_one():
    transform = DrawViews(views=[WHOLE, CROP], pairs=[(1, 2)])
    transform.views[1] = view = CountingView(LEFT, MIDDLE, RIGHT)
    transform(sample(THREE_BOXES[:1]))
    assert view.drawn == 2


def test_a_later_pair_leaves_the_earlier_crops_alone():
    transform = DrawViews(views=[WHOLE, CROP, CROP], pairs=[(1, 2), (2, 3)])
    transform.views[1] = second = CountingView(RIGHT)
    transform.views[2] = third = CountingView(LEFT)
    transform(sample(THREE_BOXES))
    assert (second.drawn, third.drawn) == (1, 5)


def test_pixels_and_crops_of_each_view_agree():
    results = DrawViews(**STAR)(sample(grid_boxes(6)))
    shapes = {of: view.shape for of, view in results['views'].items()}
    assert shapes == {1: (32, 32, 3), 2: (32, 32, 3), 3: (16, 16, 3)}
    assert [c.size for c in results['crops']] == [
        (32, 32),
        (32, 32),
        (16, 16),
        (8, 8),
    ]


def test_resized_view_has_the_boxes_of_its_original():
    results = DrawViews(**STAR)(sample(grid_boxes(6)))
    boxes = dict(zip(results['roi_sets'], results['view_bboxes'], strict=True))
    by_view = {view: b for (view, pair), b in boxes.items() if pair == (1, 2)}
    np.testing.assert_allclose(by_view[4], by_view[2] / 4, atol=1e-5)
    assert results['originals'] == [1, 2, 3, 2]


def test_only_the_boxes_of_the_view_that_asks_are_jittered():
    views = [WHOLE | dict(jitter_prob=1.0), CROP]
    transform = DrawViews(views=views, pairs=[(1, 2)])
    proposals = grid_boxes(6)
    moved = 0
    for seed in range(10):
        results = transform(sample(proposals, seed))
        source_of(results, results['roi_sets'][1])  # exact on view 2
        exact = crop_bboxes(proposals, results['crops'][0])
        jittered = results['view_bboxes'][0]
        moved += (abs(jittered[:, None] - exact).sum(-1).min(1) > 1e-3).sum()
    assert moved == 40


def test_same_generator_same_views():
    transform = DrawViews(**STAR)
    first, second = (transform(sample(grid_boxes(9), 3)) for _ in range(2))
    assert first['crops'] == second['crops']
    for a, b in zip(first['view_bboxes'], second['view_bboxes'], strict=True):
        assert (a == b).all()
    other = transform(sample(grid_boxes(9), 4))
    assert first['crops'] != other['crops']


def test_one_pixel_image():
    results = DrawViews(**FPN)(sample([[0, 0, 1, 1]], size=(1, 1)))
    for view in results['views'].values():
        assert (view == results['img'][0, 0]).all()


def test_choice_without_repeats_reaches_every_candidate():
    rng = np.random.default_rng(0)
    candidates = np.array([2, 3, 5, 7, 11])
    counts = dict.fromkeys(candidates.tolist(), 0)
    for _ in range(2000):
        chosen = choose_proposals(rng, candidates, 3).tolist()
        assert len(set(chosen)) == 3
        for c in chosen:
            counts[c] += 1
    assert all(abs(c / 2000 - 0.6) < 0.05 for c in counts.values())


def test_choice_with_repeats_keeps_every_candidate():
    rng = np.random.default_rng(0)
    for count in (1, 2, 3):
        chosen = choose_proposals(rng, np.arange(count), 4)
        assert set(chosen.tolist()) == set(range(count))
        assert len(chosen) == 4
    assert len(choose_proposals(rng, np.arange(0), 4)) == 0


def test_transform_is_shown_and_sent_whole():
    transform = pickle.loads(pickle.dumps(DrawViews(**STAR)))
    assert 'ResizedView(of=2, size=(8, 8))' in repr(transform)
    results = transform(sample(grid_boxes(9)))
    assert (
        results['crops'] == DrawViews(**STAR)(sample(grid_boxes(9)))['crops']
    )


@pytest.mark.parametrize(
    'change, text',
    [
        (dict(num_proposals=0), 'num_proposals must be at least 1'),
        (dict(num_proposals=500), 'num_proposals must be at most 128'),
        (dict(num_proposals=2.5), 'num_proposals must be at least 1 and wh'),
        (dict(num_proposals=True), 'num_proposals must be at least 1 and wh'),
        (dict(max_tries=0), 'max_tries must be at least 1'),
        (dict(max_tries=10**9), 'max_tries must be at most 1000'),
        (dict(pairs=[(1, 2)]), r'each of the 3 views.*use \[1, 2\]'),
        (dict(pairs=[(1, 2), (1, 4)]), 'each of the 3 views'),
        (
            dict(views=[WHOLE, CROP, dict(type='ResizedView', of=3, size=8)]),
            'view 3 is a ResizedView of view 3',
        ),
        (
            dict(views=[WHOLE, CROP, dict(type='ResizedView', of=9, size=8)]),
            'view 3 is a ResizedView of view 9',
        ),
        (
            dict(pairs=[(1, 2), dict(views=(1, 3), proposals_of=(1, 2))]),
            r'pair \(1, 3\) takes the proposals of \(1, 2\)',
        ),
    ],
)
def test_bad_settings_are_named(change, text):
    with pytest.raises(ValueError, match=text):
        DrawViews(**{**FPN, **change})


def test_counting_view_of_this_test_overlaps_as_told():
    """The rectangles above show none, one and two of the boxes."""
    shown = [
        overlaps(
            np.array(THREE_BOXES), CropParams(*rect, size=(8, 8)).bbox
        ).sum()
        for rect in (LEFT, MIDDLE, RIGHT)
    ]
    assert shown == [0, 1, 2]


def test_without_pairs_each_view_is_drawn_alone():
    """The input of image-level methods: eight views, no boxes."""
    crop = dict(type='RandomCropView', size=8, area=(0.2, 1.0))
    whole = dict(type='WholeImageView', size=16)
    draw = DrawViews([whole] + [crop] * 7)
    results = dict(
        img=np.zeros((32, 48, 3), np.uint8),
        bboxes=np.array([[0, 0, 48, 32]]),
        rng=np.random.default_rng(0),
        index=0,
    )
    results = draw(results)
    assert len(results['crops']) == 8
    assert results['crops'][0][:4] == (0, 0, 48, 32)
    rects = {crop[:4] for crop in results['crops'][1:]}
    assert len(rects) == 7
    sample = PackViews()(results)
    assert [tuple(v.shape) for v in sample['inputs']] == (
        [(16, 16, 3)] + [(8, 8, 3)] * 7
    )
    assert sample['data_samples']['bboxes'] == []
