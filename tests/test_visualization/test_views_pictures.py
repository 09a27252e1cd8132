import numpy as np
import pytest
import torch

from mmsoco.structures import parse_pairs
from mmsoco.visualization.views import PALETTE, draw_sample, draw_view

STAR = parse_pairs([(1, 2), (1, 3), dict(views=(1, 4), proposals_of=(1, 2))])
NOTHING = np.empty((0, 4), np.float32)
BLACK = np.zeros((60, 80, 3), np.uint8)


def count(picture, color):
    return (picture == color).all(axis=-1).sum()


def test_box_k_has_color_k_on_its_border():
    bboxes = np.array([[10, 10, 50, 40], [20, 20, 70, 55]], np.float32)
    picture = draw_view(BLACK, bboxes, NOTHING, scale=2)
    assert picture.shape == (120, 160, 3)
    assert picture[79, 60].tolist() == list(PALETTE[0])  # lower edge
    assert picture[109 - 1, 100].tolist() == list(PALETTE[1])
    assert count(picture[25:75, 105:135], PALETTE[0]) == 0


def test_cutout_is_gray():
    square = np.array([[10, 20, 30, 40]], np.float32)
    picture = draw_view(BLACK, NOTHING, square, scale=1)
    assert count(picture, (128, 128, 128)) == 400


@pytest.mark.parametrize(
    'bbox', [[0, 0, 80, 60], [80, 60, 80, 60], [79, 0, 80, 1], [0, 59, 3, 60]]
)
def test_boxes_at_the_border_and_without_area_are_drawn(bbox):
    picture = draw_view(BLACK, np.array([bbox], np.float32), NOTHING)
    assert count(picture, PALETTE[0]) > 0


def test_view_itself_is_not_drawn_on():
    draw_view(BLACK, np.array([[1, 1, 9, 9]], np.float32), NOTHING, scale=1)
    assert not BLACK.any()


def test_sample_has_a_row_per_pair():
    sizes = (32, 32, 24, 16)
    sample = dict(
        inputs=[torch.zeros(s, s, 3, dtype=torch.uint8) for s in sizes],
        data_samples=dict(
            bboxes=[torch.tensor([[2.0, 2, 12, 12]] * 4)] * 5,
            cutout=[torch.zeros(0, 4)] * 4,
        ),
    )
    picture = draw_sample(sample, STAR, scale=1)
    title, margin = 22, 8
    assert picture.shape == (3 * (32 + title + margin), 2 * (32 + margin), 3)
