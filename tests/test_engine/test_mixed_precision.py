"""Mixed precision without an accelerator."""

import copy

import pytest
import torch
from torch import nn

from mmsoco.engine.optimizers.mixed_precision import (
    MixedPrecisionOptimWrapper,
    check_precision,
)


@pytest.fixture
def wrapper():
    model = nn.Linear(4, 4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    wrapper = MixedPrecisionOptimWrapper(optimizer, precision='bf16')
    return model, wrapper


def test_bf16_computes_in_bf16_and_keeps_float32_weights(wrapper):
    model, wrapper = wrapper
    before = model.weight.detach().clone()
    with wrapper.optim_context(model):
        output = model(torch.ones(2, 4))
    wrapper.update_params(output.float().sum())
    assert output.dtype == torch.bfloat16
    assert model.weight.dtype == torch.float32
    # The gradient of the sum is 2 for each weight: not scaled.
    assert torch.allclose(model.weight, before - 0.1 * 2)


def test_bf16_needs_no_loss_scaling(wrapper):
    model, wrapper = wrapper
    model(torch.ones(1, 4)).sum().backward()
    wrapper.step()
    assert not wrapper.loss_scaler.is_enabled()


def test_state_round_trip(wrapper):
    _, wrapper = wrapper
    wrapper.optimizer.param_groups[0]['lr'] = 0.125
    state = copy.deepcopy(wrapper.state_dict())
    wrapper.optimizer.param_groups[0]['lr'] = 7.0
    wrapper.load_state_dict(state)
    assert wrapper.optimizer.param_groups[0]['lr'] == 0.125


def test_clips_gradients():
    model = nn.Linear(4, 1, bias=False)
    nn.init.zeros_(model.weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    wrapper = MixedPrecisionOptimWrapper(optimizer, clip_grad=dict(max_norm=1))
    wrapper.update_params(model(torch.ones(1, 4)).sum())
    assert model.weight.norm().item() == pytest.approx(1, rel=1e-3)


@pytest.mark.parametrize(
    ('precision', 'device', 'message'),
    [('fp16', 'cpu', 'needs a GPU.*bf16'), ('fp8', 'cuda', "got 'fp8'")],
)
def test_refuses_what_cannot_train(precision, device, message):
    with pytest.raises(ValueError, match=message):
        check_precision(precision, device)


def test_accepts_fp16_on_a_gpu():
    check_precision('fp16', 'cuda')
