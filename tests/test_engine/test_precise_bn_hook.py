"""Batch norm's statistics at fixed weights."""

import pytest
import torch
from mmengine.model import BaseModel
from torch import nn

from mmsoco.engine.hooks.precise_bn_hook import recompute_statistics


class Model(BaseModel):
    """A trained and a frozen batch norm."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(3)
        self.frozen = nn.BatchNorm1d(3)

    def forward(self, inputs, mode):
        return dict(loss=self.frozen(self.norm(inputs)).sum())


@pytest.fixture
def model():
    model = Model()
    model.train()
    model.frozen.eval()
    return model


@pytest.fixture
def batches():
    generator = torch.Generator().manual_seed(0)
    return [
        dict(inputs=torch.randn(6, 3, generator=generator) * i + i)
        for i in range(1, 5)
    ]


def test_is_the_mean_over_batches(model, batches):
    recompute_statistics(model, batches, num_iters=3)
    inputs = torch.stack([batch['inputs'] for batch in batches[:3]])
    assert torch.allclose(
        model.norm.running_mean, inputs.mean(1).mean(0), atol=1e-6
    )
    assert torch.allclose(
        model.norm.running_var, inputs.var(1).mean(0), atol=1e-5
    )


def test_restores_the_momentum_and_spares_frozen_layers(model, batches):
    recompute_statistics(model, batches, num_iters=10)
    assert model.norm.momentum == 0.1
    assert torch.equal(model.frozen.running_mean, torch.zeros(3))


def test_model_without_batch_norm_is_left_alone(batches):
    model = Model()
    model.eval()
    recompute_statistics(model, batches, num_iters=2)
    assert torch.equal(model.norm.running_mean, torch.zeros(3))
