"""All proposals on the views, against affine matrices and sampled points."""

import numpy as np
import pytest
from mmengine.dataset import Compose
from plain_boxes import affine
from torch.utils.data import default_collate

from mmsoco.datasets.transforms import ShowProposals
from mmsoco.datasets.transforms.geometry import CropParams
from mmsoco.datasets.transforms.show_proposals import show_proposals
from mmsoco.registry import TRANSFORMS

CROPS = {
    'whole': CropParams(0, 0, 200, 100, (50, 80)),
    'crop': CropParams(30, 20, 90, 60, (112, 224)),
    'flip': CropParams(30, 20, 90, 60, (112, 224), flip=True),
    'one pixel': CropParams(100, 50, 1, 1, (32, 32), flip=True),
}


def boxes(number=200, seed=0):
    """Boxes of a picture of 200 x 100, some of them without area."""
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, (201, 101), (number, 2, 2))
    return np.hstack([corners.min(axis=1), corners.max(axis=1)]).astype(float)


def expected_rows(bboxes, crop):
    """Transformed corners, clipped to the view; the share by areas there."""
    matrix, rows = affine(crop), []
    for x1, y1, x2, y2 in bboxes:
        corners = np.array([[x1, x2, x1, x2], [y1, y1, y2, y2], [1] * 4])
        xs, ys, _ = matrix @ corners
        area = (xs.max() - xs.min()) * (ys.max() - ys.min())
        x, y = xs.clip(0, crop.size[1]), ys.clip(0, crop.size[0])
        sides = x.max() - x.min(), y.max() - y.min()
        if area > 0 and min(sides) > 0:
            share = sides[0] * sides[1] / area
            rows.append([x.min(), y.min(), x.max(), y.max(), share])
    return np.array(rows).reshape(-1, 5)


@pytest.mark.parametrize('crop', CROPS.values(), ids=CROPS)
def test_boxes_and_shares_follow_the_affine_matrix(crop):
    found = show_proposals(boxes(), crop)
    expected = expected_rows(boxes(), crop)
    assert 0 < len(expected) < 200
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert found.dtype == np.float32


def test_the_share_is_that_of_the_pixels_shown():
    crop = CropParams(30, 20, 90, 60, (60, 90))
    picture = np.zeros((100, 200), bool)
    picture[20:80, 30:120] = True
    for box in boxes(50, seed=1):
        x1, y1, x2, y2 = box.astype(int)
        part = picture[y1:y2, x1:x2]
        rows = show_proposals(box[None], crop)
        if not part.any():
            assert rows.shape == (0, 5)
        else:
            assert rows[0, 4] == pytest.approx(part.mean(), abs=1e-6)


def sample(bboxes, seed=0, **options):
    crops = [CROPS['whole'], CROPS['crop']]
    results = dict(bboxes=bboxes, crops=crops, rng=np.random.default_rng(seed))
    return ShowProposals(**options)(results)


def test_rows_are_padded_and_counted():
    found = sample(boxes(20), max_number=30)
    for view, crop in ((1, CROPS['whole']), (2, CROPS['crop'])):
        rows = show_proposals(boxes(20), crop)
        count = found['num_proposals'][view]
        assert count == len(rows)
        assert found['proposals'][view].shape == (30, 5)
        np.testing.assert_array_equal(found['proposals'][view][:count], rows)
        assert not found['proposals'][view][count:].any()


def test_of_too_many_some_are_drawn_by_the_seed():
    drawn = [
        sample(boxes(), seed, max_number=10, views=(1,)) for seed in (0, 0, 1)
    ]
    rows = [d['proposals'][1] for d in drawn]
    np.testing.assert_array_equal(rows[0], rows[1])
    assert (rows[0] != rows[2]).any()
    every = show_proposals(boxes(), CROPS['whole']).tolist()
    places = [every.index(row) for row in rows[0].tolist()]
    assert places == sorted(places) and len(set(places)) == 10


def test_a_picture_without_a_shown_proposal_has_none():
    found = sample(np.array([[0, 0, 10, 10.0]]), views=(2,))
    assert found['num_proposals'] == {2: 0}


def test_other_draws_stay_as_they_were():
    """The boxes change nothing in views, colors or matched boxes."""
    draw = dict(
        type='DrawViews',
        views=[
            dict(type='WholeImageView', size=64, jitter_prob=0.5),
            dict(type='RandomCropView', size=64),
            dict(type='ResizedView', of=2, size=32),
        ],
        pairs=[(1, 2), dict(views=(1, 3), proposals_of=(1, 2))],
    )
    colors = dict(type='PhotometricJitter', blur_prob=0.5, solarize_prob=0.1)
    pack = dict(type='PackViews')
    show = dict(type='ShowProposals', views=(1, 3), max_number=40)
    packed = []
    for steps in ([draw, colors, pack], [draw, show, colors, pack]):
        pipeline = Compose([TRANSFORMS.build(step) for step in steps])
        pixels = np.random.default_rng(0).integers(0, 256, (100, 200, 3))
        packed.append(
            pipeline(
                dict(
                    img=pixels.astype(np.uint8), bboxes=boxes(20), index=0,
                    rng=np.random.default_rng(7),
                )
            )
        )  # fmt: skip
    without, with_boxes = packed
    for one, two in zip(without['inputs'], with_boxes['inputs'], strict=True):
        assert one.equal(two)
    extra = ('proposals', 'num_proposals')
    samples = with_boxes['data_samples']
    boxes_of_views = {name: samples[name] for name in extra}
    assert set(samples) - set(without['data_samples']) == set(extra)
    # a resized view has its original's boxes, scaled
    batch = default_collate([packed[1], packed[1]])['data_samples']
    assert batch['proposals'][3].shape == (2, 40, 5)
    assert (
        batch['num_proposals'][1].tolist()
        == [boxes_of_views['num_proposals'][1]] * 2
    )


def test_views_that_are_not_drawn_are_refused():
    with pytest.raises(ValueError, match='draws 2 views'):
        sample(boxes(), views=(3,))
    with pytest.raises(ValueError, match='views is empty'):
        ShowProposals(views=())
