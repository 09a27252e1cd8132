import numpy as np
import pytest

from mmsoco.visualization.proposals import draw_proposals
from mmsoco.visualization.sheets import add_title


def test_frame_lies_within_the_box():
    rgb = np.full((60, 80, 3), 100, np.uint8)
    picture = draw_proposals(rgb, np.array([[10.0, 20, 50, 45]]))
    changed = (picture != rgb).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert (columns.min(), rows.min()) == (10, 20)
    assert (columns.max(), rows.max()) == (49, 44)
    assert not changed[23:42, 13:47].any()
    assert (rgb == 100).all()


def test_small_boxes_lie_above_large_ones():
    rgb = np.zeros((100, 100, 3), np.uint8)
    small, large = [30, 30, 60, 60], [30, 30, 95, 95]
    alone = draw_proposals(rgb, np.array([small]))
    for both in ([small, large], [large, small]):
        picture = draw_proposals(rgb, np.array(both))
        np.testing.assert_array_equal(picture[30, 30:58], alone[30, 30:58])


def test_shrinks_but_never_grows():
    rgb = np.zeros((50, 200, 3), np.uint8)
    bboxes = np.array([[100.0, 0, 200, 50]])
    picture = draw_proposals(rgb, bboxes, longest_side=100)
    assert picture.shape == (25, 100, 3)
    changed = np.nonzero(picture.any(axis=2))
    assert changed[1].min() == 50 and changed[1].max() == 99
    assert draw_proposals(rgb, bboxes, 999).shape == rgb.shape


@pytest.mark.parametrize('shape', [(1, 1), (3000, 1), (40, 50)])
def test_without_boxes_and_tiny(shape):
    rgb = np.zeros((*shape, 3), np.uint8)
    picture = draw_proposals(rgb, np.zeros((0, 4), np.float32), 480)
    assert not picture.any()
    assert add_title(picture, 'ö 图 ' * 50).shape[1] == picture.shape[1]
