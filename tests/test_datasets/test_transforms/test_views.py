import pickle

import numpy as np
import pytest

from mmsoco.datasets.transforms import (
    RandomCropView,
    ResizedView,
    WholeImageView,
)
from mmsoco.datasets.transforms.geometry import CropParams


def test_whole_image_view_shows_the_whole_image():
    view = WholeImageView(size=(16, 24), flip_prob=0)
    crop = view.draw(np.random.default_rng(0), 50, 80)
    assert crop == CropParams(0, 0, 80, 50, size=(16, 24), flip=False)


def test_random_crop_view_stays_within_its_area():
    view = RandomCropView(size=16, area=(0.6, 1.0))
    rng = np.random.default_rng(0)
    for _ in range(100):
        crop = view.draw(rng, 500, 400)
        assert 0.59 < crop.w * crop.h / (500 * 400) <= 1
        assert crop.size == (16, 16)


@pytest.mark.parametrize('prob', [0.0, 0.5, 1.0])
def test_each_view_is_mirrored_with_its_probability(prob):
    rng = np.random.default_rng(0)
    view = RandomCropView(size=16, flip_prob=prob)
    flips = [view.draw(rng, 50, 50).flip for _ in range(800)]
    assert abs(np.mean(flips) - prob) < 0.05


@pytest.mark.parametrize(
    'view',
    [
        WholeImageView(8, jitter_prob=0.5),
        RandomCropView((8, 9), area=(0.2, 0.3)),
        ResizedView(of=2, size=8),
    ],
)
def test_views_are_shown_and_sent_with_their_settings(view):
    again = pickle.loads(pickle.dumps(view))
    assert vars(again) == vars(view)
    assert repr(again) == repr(eval(repr(view)))


@pytest.mark.parametrize(
    'kwargs, text',
    [
        (dict(size=0), 'size must be a whole number of 8 to 4096'),
        (dict(size=1), 'size must be a whole number of 8 to 4096'),
        (dict(size=(224, 1)), 'got .224, 1.'),
        (dict(size=100000), 'got 100000'),
        (dict(size=(224.0, 224.0)), 'size must be a whole number'),
        (dict(size=(8, 8, 8)), 'size must be'),
        (dict(size=8, area=(0.5, 1.5)), r'area must be \(low, high\)'),
        (dict(size=8, area=(0.0, 0.5)), 'area'),
        (dict(size=8, aspect=(2.0, 1.0)), 'aspect'),
        (dict(size=8, flip_prob=1.2), r'flip_prob must lie in \[0, 1\]'),
        (dict(size=8, jitter_prob=-0.1), 'jitter_prob'),
    ],
)
def test_bad_settings_are_named(kwargs, text):
    with pytest.raises(ValueError, match=text):
        RandomCropView(**kwargs)
