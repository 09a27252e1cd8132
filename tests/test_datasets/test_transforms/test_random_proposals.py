import numpy as np
import pytest

from mmsoco.datasets.transforms import RandomProposals


def sample(size=(200, 300), seed=0):
    return dict(
        img=np.zeros((*size, 3), np.uint8),
        bboxes=np.array([[1, 2, 3, 4]], np.float32),
        rng=np.random.default_rng(seed),
    )


def test_random_boxes_have_the_sizes_that_the_filter_lets_pass():
    bboxes = RandomProposals(num_boxes=500)(sample())['bboxes']
    assert bboxes.shape == (500, 4) and bboxes.dtype == np.float32
    assert (bboxes >= 0).all() and (bboxes <= [300, 200, 300, 200]).all()
    w, h = (bboxes[:, 2:] - bboxes[:, :2]).T
    scale = np.sqrt(w * h / (200 * 300))
    assert 0.295 < scale.min() < 0.35 and 0.7 < scale.max() < 0.805
    assert (w / h).min() > 0.32 and (w / h).max() < 3.1


def test_random_boxes_follow_the_generator():
    one, same, other = (
        RandomProposals()(sample(seed=seed))['bboxes'] for seed in (1, 1, 2)
    )
    assert (one == same).all() and (one != other).any()


def test_one_pixel_image_has_one_pixel_boxes():
    bboxes = RandomProposals(num_boxes=3)(sample(size=(1, 1)))['bboxes']
    assert bboxes.tolist() == [[0, 0, 1, 1]] * 3


def test_no_boxes_is_refused():
    with pytest.raises(ValueError, match='num_boxes must be at least 1'):
        RandomProposals(num_boxes=0)
