"""The gauges of pretrained weights, at their limits."""

import copy

import comparison_plans
import cv2
import numpy as np
import pytest
import torch

from mmsoco.checkpoints import io
from mmsoco.comparison import gauges, recipes
from mmsoco.evaluation.encoders import build_encoder


@pytest.fixture(scope='module')
def detector():
    return recipes.read_config(comparison_plans.DETECTOR).model


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / 'images'
    folder.mkdir()
    for i in range(5):
        blobs = np.random.default_rng(i).integers(0, 255, (4, 4, 3), np.uint8)
        picture = cv2.resize(blobs, (64, 64), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f'{i}.png'), picture)
    return folder


def test_a_backbone_that_sees_nothing(detector, images, tmp_path):
    state = build_encoder(detector).backbone.state_dict()
    blind = {f'backbone.{n}': torch.zeros_like(t) for n, t in state.items()}
    for name in blind:
        if name.endswith('running_var'):
            blind[name] = torch.ones_like(blind[name])
    io.save_atomic(dict(state_dict=blind), tmp_path / 'w.pth')
    found = gauges.measure(detector, tmp_path / 'w.pth', images)
    assert found == dict(hit_rate=0.0, effective_rank=0.0)


def test_a_random_backbone_sees_something(detector, images, tmp_path):
    state = build_encoder(detector).backbone.state_dict()
    state = {f'backbone.{name}': tensor for name, tensor in state.items()}
    io.save_atomic(dict(state_dict=state), tmp_path / 'w.pth')
    found = gauges.measure(detector, tmp_path / 'w.pth', images)
    again = gauges.measure(detector, tmp_path / 'w.pth', images)
    assert found == again
    # of 5 pictures with 4 boxes each: better than one in twenty
    assert 0.05 < found['hit_rate'] <= 1
    assert 1 < found['effective_rank'] <= 20


def test_a_detector_of_blue_green_red_gets_that(detector, images, tmp_path):
    """With its first filters turned round it sees the same."""
    state = build_encoder(detector).backbone.state_dict()
    state = {f'backbone.{name}': tensor for name, tensor in state.items()}
    io.save_atomic(dict(state_dict=state), tmp_path / 'rgb.pth')
    first = 'backbone.conv1.weight'
    turned = dict(state, **{first: state[first].flip(1)})
    io.save_atomic(dict(state_dict=turned), tmp_path / 'bgr.pth')
    other = copy.deepcopy(detector)
    other.data_preprocessor.update(
        mean=detector.data_preprocessor.mean[::-1],
        std=detector.data_preprocessor.std[::-1],
        bgr_to_rgb=False,
    )

    expected = gauges.measure(detector, tmp_path / 'rgb.pth', images)

    found = gauges.measure(other, tmp_path / 'bgr.pth', images)
    assert found == pytest.approx(expected, abs=0.02)
    unlike = gauges.measure(other, tmp_path / 'rgb.pth', images)
    assert unlike != pytest.approx(expected, abs=0.02)
