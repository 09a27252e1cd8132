"""Steps that are not finite are not taken, on the host and on the device."""

import copy
import math

import pytest
import torch
from mmengine.optim import OptimWrapper
from torch import nn

from mmsoco.engine.optimizers import LARS
from mmsoco.engine.optimizers.finite_steps import (
    FiniteSteps,
    guard_steps,
    not_finite_flag,
    zero_if,
)

NAN, INF = math.nan, math.inf


def pair(optimizer=torch.optim.SGD, **settings):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    options = dict(lr=0.1, momentum=0.9, weight_decay=0.01)
    wrapper = OptimWrapper(
        optimizer(model.parameters(), **options), **settings
    )
    return model, guard_steps(wrapper)


def one_step(model, wrapper, inputs, factor=1.0):
    with wrapper.optim_context(model):
        loss = model(inputs).square().mean() * factor
    wrapper.update_params(loss)


def state(model, wrapper):
    return copy.deepcopy((model.state_dict(), wrapper.state_dict()['state']))


def assert_same(a, b):
    assert str(a) == str(b)
    for name, tensor in a[0].items():
        assert torch.equal(tensor, b[0][name]), name


@pytest.mark.parametrize('optimizer', [torch.optim.SGD, LARS])
@pytest.mark.parametrize(
    ('value', 'factor'), [(NAN, 1), (INF, 1), (1, NAN), (1, INF)]
)
def test_a_bad_step_leaves_no_trace(optimizer, value, factor):
    model, wrapper = pair(optimizer)
    good = torch.randn(5, 3)
    one_step(model, wrapper, good)
    before = state(model, wrapper)
    bad = good.clone()
    bad[0, 0] = value
    one_step(model, wrapper, bad, factor)
    assert_same(state(model, wrapper), before)
    one_step(model, wrapper, good)
    flags = [flag.item() for flag in wrapper.take_flags()]
    assert flags == [0, 1, 0]
    assert wrapper.take_flags() == []
    other, plain = pair(optimizer)
    one_step(other, plain, good)
    one_step(other, plain, good)
    assert_same(state(model, wrapper), state(other, plain))


def test_finite_steps_are_those_of_the_wrapper_without_a_guard():
    torch.manual_seed(1)
    batches = torch.randn(6, 5, 3)
    model, wrapper = pair(accumulative_counts=2, clip_grad=dict(max_norm=0.1))
    other = copy.deepcopy(model)
    plain = OptimWrapper(
        torch.optim.SGD(
            other.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01
        ),
        accumulative_counts=2,
        clip_grad=dict(max_norm=0.1),
    )
    for batch in batches:
        one_step(model, wrapper, batch)
        one_step(other, plain, batch)
    assert not isinstance(plain, FiniteSteps)
    assert len(wrapper.take_flags()) == 3
    assert_same(state(model, wrapper), state(other, plain))


def test_all_forward_passes_of_a_bad_step_are_undone():
    model, wrapper = pair(accumulative_counts=2)
    before = state(model, wrapper)
    one_step(model, wrapper, torch.randn(5, 3))
    one_step(model, wrapper, torch.full((5, 3), NAN))
    assert_same(state(model, wrapper), before)


def test_statistics_that_overflow_alone_are_put_back():
    """The inputs' variance overflows, and the outputs are 0."""
    model = nn.Sequential(nn.BatchNorm1d(1), nn.Linear(1, 1))
    wrapper = guard_steps(
        OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    )
    one_step(model, wrapper, torch.tensor([[1e25], [-1e25]]))
    assert torch.isfinite(model[0].running_var).all()


@pytest.mark.parametrize('bad', [NAN, INF])
def test_lars_skips_on_the_device(bad):
    """As for a GPU, where the host does not look."""
    model, wrapper = pair(LARS)
    one_step(model, wrapper, torch.randn(5, 3))
    before = state(model, wrapper)
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, bad)
    optimizer = wrapper.optimizer
    optimizer.skip_if = torch.ones(())
    optimizer.step()
    assert_same(state(model, wrapper), before)
    other = copy.deepcopy(model)
    twin = LARS(other.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    twin.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for mine, its in zip(model.parameters(), other.parameters(), strict=True):
        mine.grad = torch.randn_like(mine)
        its.grad = mine.grad.clone()
    optimizer.skip_if = torch.zeros(())
    optimizer.step()
    twin.step()
    for mine, its in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(mine, its)


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_zero_if_works_on_bits(dtype):
    tensors = [torch.tensor([1.0, NAN, INF, -0.0], dtype=dtype)]
    kept = tensors[0].clone()
    zero_if(tensors, torch.zeros(()))
    assert torch.equal(tensors[0], kept) or torch.isnan(tensors[0][1])
    assert tensors[0].view(torch.uint8).equal(kept.view(torch.uint8))
    zero_if(tensors, torch.ones(()))
    assert torch.equal(tensors[0], torch.zeros(4, dtype=dtype))


def test_flag():
    huge = torch.full((3,), 3e38)
    half = torch.ones(2, dtype=torch.float16)
    assert not_finite_flag([huge, None, half, torch.empty(0)]) == 0
    assert not_finite_flag([huge, half / 0]) == 1
    assert not_finite_flag([]) == 0
    assert torch.equal(huge, torch.full((3,), 3e38))
