"""The learning rate against the published numbers."""

import math

import pytest
import torch
from torch import nn

from mmsoco.engine.schedulers import WarmupCosineLR, warmup_cosine
from mmsoco.registry import PARAM_SCHEDULERS


@pytest.fixture
def optimizer():
    return torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=8.0)


def rates(optimizer, scheduler, steps):
    """The learning rates that the steps of a run would use."""
    values = []
    for _ in range(steps):
        values.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        scheduler.step()
    return values


def build(optimizer, **settings):
    cfg = dict(type='WarmupCosineLR', convert_to_iter_based=True, **settings)
    return PARAM_SCHEDULERS.build(cfg, default_args=dict(optimizer=optimizer))


def test_golden_from_a_config_in_epochs(golden, optimizer):
    case = golden['lr']
    scheduler = build(
        optimizer,
        warmup=case['warmup_epochs'],
        end=case['epochs'],
        epoch_length=case['iters_per_epoch'],
    )
    values = rates(optimizer, scheduler, len(case['lr']))
    assert values == pytest.approx(case['lr'], rel=1e-6)


def test_corners():
    def rate(step):
        return warmup_cosine(step, 100, 20, 8.0, 0.01, 1e-6)

    assert rate(0) == pytest.approx(0.08)
    assert rate(10) == pytest.approx((0.08 + 8) / 2)  # middle of the line
    assert rate(20) == 8.0
    assert rate(60) == pytest.approx((8 + 1e-6) / 2)  # middle of the cosine
    assert rate(100) == pytest.approx(1e-6)


def test_without_warmup_is_a_cosine(optimizer):
    scheduler = build(optimizer, warmup=0, end=2, epoch_length=3, minimum=0)
    expected = [4 * (1 + math.cos(math.pi * i / 6)) for i in range(6)]
    assert rates(optimizer, scheduler, 6) == pytest.approx(expected)


def test_warmup_of_half_an_epoch(optimizer):
    scheduler = build(optimizer, warmup=0.5, end=2, epoch_length=4)
    values = rates(optimizer, scheduler, 8)
    assert values[:3] == pytest.approx([0.08, 4.04, 8.0])


def test_resumed_run_goes_on(optimizer):
    scheduler = build(optimizer, warmup=1, end=4, epoch_length=5)
    rates(optimizer, scheduler, 9)
    other = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=8.0)
    resumed = build(other, warmup=1, end=4, epoch_length=5)
    resumed.load_state_dict(scheduler.state_dict())
    other.load_state_dict(optimizer.state_dict())
    assert rates(other, resumed, 11) == rates(optimizer, scheduler, 11)


@pytest.mark.parametrize(('warmup', 'end'), [(10, 10), (10, 5), (-1, 5)])
def test_refuses_a_warmup_as_long_as_the_run(optimizer, warmup, end):
    with pytest.raises(ValueError, match='0 <= warmup < end.*Shorten'):
        WarmupCosineLR(optimizer, warmup=warmup, end=end)


@pytest.mark.parametrize(
    'settings', [dict(by_epoch=False, epoch_length=5), dict(epoch_length=0)]
)
def test_refuses_what_cannot_be_converted(optimizer, settings):
    with pytest.raises(ValueError, match='in epochs'):
        WarmupCosineLR.build_iter_from_epoch(
            optimizer, warmup=1, end=2, **settings
        )


def test_warmup_as_a_part_of_the_run():
    def warmup(**settings):
        optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=8.0)
        return build(optimizer, epoch_length=7, **settings).warmup

    assert warmup(warmup_share=0.1, end=30) == warmup(warmup=3, end=30) == 21


@pytest.mark.parametrize('settings', [{}, dict(warmup=1, warmup_share=0.1)])
def test_refuses_two_warmups_or_none(optimizer, settings):
    with pytest.raises(ValueError, match='either warmup .* or warmup_share'):
        build(optimizer, end=2, epoch_length=3, **settings)
