import numpy as np
import pytest

from mmsoco.datasets.transforms import DrawCutout
from mmsoco.datasets.transforms.cutout import draw_cutout
from mmsoco.datasets.transforms.geometry import CropParams
from mmsoco.structures import RoISet

BOX = np.array([[100, 80, 140, 180]], np.float32)  # 40 x 100


def area(bboxes):
    sides = bboxes[:, 2:] - bboxes[:, :2]
    return sides[:, 0] * sides[:, 1]


def test_squares_hide_their_share_around_a_point_of_the_box():
    boxes = np.repeat(BOX, 3000, axis=0)
    rng = np.random.default_rng(0)
    squares = draw_cutout(rng, boxes, 0.5, (0.1, 0.3), (400, 400))
    hidden = area(squares) > 0
    assert abs(hidden.mean() - 0.5) < 0.03
    squares = squares[hidden]
    sides = squares[:, 2:] - squares[:, :2]
    np.testing.assert_allclose(sides[:, 0], sides[:, 1], rtol=1e-4)
    share = area(squares) / 4000
    assert 0.0999 < share.min() < 0.102 and 0.298 < share.max() < 0.3001
    centres = (squares[:, 2:] + squares[:, :2]) / 2
    assert (centres >= [100, 80]).all() and (centres <= [140, 180]).all()
    np.testing.assert_allclose(centres.mean(0), [120, 130], atol=1.5)


def test_squares_are_clipped_to_the_view():
    boxes = np.repeat([[0.0, 0, 30, 20]], 200, axis=0)
    rng = np.random.default_rng(0)
    squares = draw_cutout(rng, boxes, 1.0, (0.9, 1.0), (20, 30))
    assert (squares >= 0).all() and (squares <= [30, 20, 30, 20]).all()


def test_no_boxes_and_degenerate_boxes_hide_nothing():
    rng = np.random.default_rng(0)
    nothing = draw_cutout(rng, np.empty((0, 4)), 1.0, (0.1, 0.3), (9, 9))
    assert nothing.shape == (0, 4) and nothing.dtype == np.float32
    line = draw_cutout(
        rng, np.array([[1, 1, 1, 5.0]]), 1.0, (0.1, 0.3), (9, 9)
    )
    assert area(line).tolist() == [0]


def results_of_star():
    sizes = [(40, 40), (40, 40), (20, 20), (10, 10)]
    sets = [
        RoISet(1, (1, 2)),
        RoISet(2, (1, 2)),
        RoISet(1, (1, 3)),
        RoISet(3, (1, 3)),
        RoISet(4, (1, 2)),
    ]
    return dict(
        rng=np.random.default_rng(0),
        crops=[CropParams(0, 0, 9, 9, size=size) for size in sizes],
        originals=[1, 2, 3, 2],
        roi_sets=sets,
        view_bboxes=[np.array([[2, 2, 9, 9]] * 4, np.float32) for _ in sets],
    )


def test_first_view_is_left_whole_and_a_resized_one_follows_its_original():
    results = DrawCutout(prob=1.0)(results_of_star())
    cutout = results['cutout']
    assert [c.shape for c in cutout] == [(0, 4), (4, 4), (4, 4), (4, 4)]
    assert all(c.dtype == np.float32 for c in cutout)
    np.testing.assert_allclose(cutout[3], cutout[1] / 4)


def test_a_view_with_two_sets_of_boxes_has_a_square_for_each():
    results = DrawCutout(prob=1.0, skip_views=())(results_of_star())
    assert [len(c) for c in results['cutout']] == [8, 4, 4, 4]


@pytest.mark.parametrize(
    'kwargs, text',
    [
        (dict(prob=1.5), r'prob must lie in \[0, 1\]'),
        (dict(area=(0.3, 0.1)), 'area must be'),
    ],
)
def test_bad_settings_are_named(kwargs, text):
    with pytest.raises(ValueError, match=text):
        DrawCutout(**kwargs)
