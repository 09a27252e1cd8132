"""Batch norm's statistics at fixed weights."""

import math

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn

from mmsoco.engine.hooks import PreciseBNHook
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


@pytest.mark.parametrize('bad', [math.nan, 1e25])
def test_batches_that_are_not_finite_are_left_out(model, batches, bad):
    """As the training skips them; 1e25 overflows in the variance."""
    good = torch.stack([batch['inputs'] for batch in batches[1:]])
    batches[0]['inputs'][2, 1] = bad
    assert recompute_statistics(model, batches, num_iters=4) == 1
    means, variances = good.mean(1).mean(0), good.var(1).mean(0)
    assert torch.allclose(model.norm.running_mean, means, atol=1e-6)
    assert torch.allclose(model.norm.running_var, variances, atol=1e-5)
    assert recompute_statistics(model, batches[:1] * 3, num_iters=3) == 3
    assert torch.allclose(model.norm.running_mean, means, atol=1e-6)


def test_restores_the_momentum_and_spares_frozen_layers(model, batches):
    recompute_statistics(model, batches, num_iters=10)
    assert model.norm.momentum == 0.1
    assert torch.equal(model.frozen.running_mean, torch.zeros(3))


def test_model_without_batch_norm_is_left_alone(batches):
    model = Model()
    model.eval()
    recompute_statistics(model, batches, num_iters=2)
    assert torch.equal(model.norm.running_mean, torch.zeros(3))


class Recorder(Hook):
    """Notes what a checkpoint or an evaluation would see."""

    priority = 'LOWEST'

    def __init__(self):
        self.means = {True: [], False: []}

    def note(self, runner, by_epoch):
        mean = runner.model.norm.running_mean
        self.means[by_epoch].append(mean.clone())

    def after_train_iter(self, runner, batch_idx, data_batch, outputs):
        self.note(runner, by_epoch=False)

    def after_train_epoch(self, runner):
        self.note(runner, by_epoch=True)


@pytest.mark.parametrize('by_epoch', [False, True])
@pytest.mark.parametrize('interval', [None, 3])
def test_runs_before_each_evaluation(by_epoch, interval, tmp_path):
    """In a run by iterations, as SoCo's recipes are, and by epochs."""
    inputs = torch.randn(8, 3) * 2 + 1
    recorder = Recorder()
    length = dict(max_epochs=4) if by_epoch else dict(max_iters=4)
    loader = dict(
        batch_size=4,
        dataset=[dict(inputs=row) for row in inputs],
        sampler=dict(type='DefaultSampler', shuffle=False),
        collate_fn=dict(type='default_collate'),
    )
    runner = Runner(
        model=Model(),
        work_dir=str(tmp_path),
        train_dataloader=loader,
        train_cfg=dict(by_epoch=by_epoch, val_interval=2, **length),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        custom_hooks=[PreciseBNHook(2, interval), recorder],
        default_hooks=dict(checkpoint=None),
        experiment_name=f'precise-{by_epoch}-{interval}',
        default_scope='mmsoco',
        cfg=dict(train_dataloader=loader),
    )
    runner.train()
    precise = inputs.mean(0)  # of two batches of one size
    found = [
        torch.allclose(mean, precise, atol=1e-6)
        for mean in recorder.means[by_epoch]
    ]
    third, second = interval == 3, interval is None
    assert found == [False, second, third, True]
