"""Mixed precision without an accelerator."""

import copy

import pytest
import tiny_models
import torch
from mmcv.ops import RoIAlign, nms
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
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


def test_detector_trains_in_bf16_on_a_cpu():
    """Its NMS and RoIAlign are mmcv's, compiled for float32 there."""
    detector = tiny_models.build_detector(tiny_models.faster_rcnn())
    optimizer = torch.optim.SGD(detector.parameters(), lr=0.01)
    before = detector.neck.fpn_convs[0].conv.weight.detach().clone()
    sample = DetDataSample(metainfo=dict(img_shape=(64, 64)))
    sample.gt_instances = InstanceData(
        bboxes=torch.tensor([[4.0, 4, 40, 40]]), labels=torch.tensor([1])
    )
    losses = detector.train_step(
        dict(inputs=[torch.full((3, 64, 64), 90)], data_samples=[sample]),
        MixedPrecisionOptimWrapper(optimizer, precision='bf16'),
    )
    assert all(torch.isfinite(value) for value in losses.values())
    assert not torch.equal(detector.neck.fpn_convs[0].conv.weight, before)


def test_nms_under_bf16_is_that_of_float32():
    corners = torch.rand(60, 2, generator=torch.Generator().manual_seed(0))
    boxes = torch.cat([corners, corners + 0.3], dim=1)
    scores = torch.linspace(0, 1, 60).bfloat16()
    with torch.autocast('cpu', torch.bfloat16):
        _, kept = nms(boxes, scores, 0.5)
    _, expected = nms(boxes, scores.float(), 0.5)
    assert kept.tolist() == expected.tolist()
    assert 1 < len(kept) < 60


def test_roi_align_of_half_maps_is_that_of_float32():
    maps = torch.rand(1, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    rois = torch.tensor([[0.0, 0.5, 1, 6, 7]])
    results = []
    for inputs in (maps.bfloat16(), maps.bfloat16().float()):
        inputs.requires_grad_()
        pooled = RoIAlign(3)(inputs, rois)
        assert pooled.dtype == inputs.dtype
        pooled.sum().backward()
        results.append((pooled.float(), inputs.grad.float()))
    for half, expected in zip(*results, strict=True):
        assert torch.allclose(half, expected, rtol=2**-7)


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
    assert check_precision('fp16', 'cuda') is None
