"""Pooling from pyramid levels, and agreement about levels across ranks."""

import pytest
import torch
from mmcv.ops import RoIAlign
from torch import nn

from mmsoco.models import roi_pooling
from mmsoco.models.roi_pooling import (
    AssignedRoIs,
    index_boxes,
    merge_levels,
    pool_every_used_level,
    pool_own_level,
    roi_align,
    tie,
    used_levels,
)

STRIDES = (4, 8)


@pytest.fixture
def layers() -> nn.ModuleList:
    return nn.ModuleList(
        RoIAlign(2, spatial_scale=1 / stride, sampling_ratio=0)
        for stride in STRIDES
    )


def features() -> list[torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    return [
        torch.randn(2, 3, 32 // s, 32 // s, generator=rng) for s in STRIDES
    ]


def rois(levels: list[int]) -> AssignedRoIs:
    boxes = torch.tensor([[0, 2.0, 2, 12, 14], [0, 4, 4, 30, 28]])
    boxes = torch.cat([boxes, boxes + torch.tensor([1.0, 0, 0, 0, 0])])
    levels = torch.tensor(levels)
    return AssignedRoIs(boxes, levels, tuple(levels.unique().tolist()))


def test_index_boxes_counts_images():
    boxes = torch.arange(16.0).view(2, 2, 4)
    indexed = index_boxes(boxes)
    assert indexed[:, 0].tolist() == [0, 0, 1, 1]
    assert torch.equal(indexed[:, 1:], boxes.view(4, 4))


def test_constant_map_pools_to_the_constant(layers):
    pooled = roi_align(
        layers[0],
        torch.full((1, 1, 8, 8), 3.0),
        torch.tensor([[0, 4, 4, 20, 24.0]]),
    )
    assert torch.equal(pooled, torch.full((1, 1, 2, 2), 3.0))


def test_linear_map_pools_to_bin_centres(layers):
    # The value at x of the map is x; a box from 8 to 24 px is 2 to 6 cells
    # wide, its two bins center on 3 and 5, half a cell off as pixel centers.
    ramp = torch.arange(8.0).expand(1, 1, 8, 8)
    pooled = roi_align(layers[0], ramp, torch.tensor([[0, 8, 8, 24, 24.0]]))
    torch.testing.assert_close(pooled[0, 0, 0], torch.tensor([2.5, 4.5]))


def test_roi_align_stays_in_float32_under_autocast(layers):
    boxes = rois([0, 0, 0, 0]).boxes
    exact = roi_align(layers[0], features()[0], boxes)
    with torch.autocast('cpu', torch.bfloat16):
        half = features()[0].bfloat16()
        pooled = roi_align(layers[0], half, boxes)
    assert pooled.dtype == torch.float32
    expected = roi_align(layers[0], half.float(), boxes)
    assert torch.equal(pooled, expected)
    assert not torch.equal(pooled, exact)


def test_roi_align_takes_any_memory_format(layers):
    feature, boxes = features()[0], rois([0, 0, 0, 0]).boxes
    strided = feature.contiguous(memory_format=torch.channels_last)
    assert torch.equal(
        roi_align(layers[0], strided, boxes),
        roi_align(layers[0], feature, boxes),
    )


def test_torchvision_takes_over_where_mmcv_lacks_the_operator(
    layers, monkeypatch
):
    monkeypatch.setattr(roi_pooling, 'mmcv_has_roi_align', lambda _: False)
    calls = []
    monkeypatch.setattr(
        RoIAlign, 'forward', lambda self, *_: calls.append(self)
    )
    roi_align(layers[0], features()[0], rois([0, 0, 0, 0]).boxes)
    assert calls[0].use_torchvision


def test_own_level_pools_each_box_once(layers):
    maps, some = features(), rois([0, 1, 1, 0])
    [[pooled]] = pool_own_level(layers, maps, [some])
    assert pooled.valid.all()
    for row, level in enumerate([0, 1, 1, 0]):
        alone = layers[level](maps[level], some.boxes[row : row + 1])
        torch.testing.assert_close(pooled.features[row], alone[0])


def test_every_used_level_pools_all_boxes(layers):
    some = rois([1, 1, 1, 1])
    [[only]] = pool_every_used_level(layers, features(), [some])
    assert only.features.shape == (4, 3, 2, 2)
    assert only.valid.all()
    [both] = pool_every_used_level(layers, features(), [rois([0, 1, 1, 0])])
    assert [p.valid.tolist() for p in both] == [
        [True, False, False, True],
        [False, True, True, False],
    ]


def test_merge_takes_the_valid_rows_also_beside_nan():
    first = torch.tensor([[1.0], [float('nan')]])
    second = torch.tensor([[float('inf')], [2.0]])
    rows = torch.tensor([True, False])
    merged = merge_levels([first, second], [rows, ~rows])
    assert merged.tolist() == [[1.0], [2.0]]


def test_used_levels_are_ascending_and_per_set():
    levels = [torch.tensor([2, 0, 2]), torch.tensor([1])]
    assert used_levels(levels, 4) == [(0, 2), (1,)]


def test_ranks_agree_about_the_levels(monkeypatch):
    other_rank = torch.tensor([[0, 0, 0, 1]], dtype=torch.int32)

    def all_reduce(data: torch.Tensor, op: str) -> None:
        assert op == 'max'
        data.copy_(torch.maximum(data, other_rank))

    levels = [torch.tensor([1])]
    assert used_levels(levels, 4) == [(1,)]
    monkeypatch.setattr(roi_pooling, 'all_reduce', all_reduce)
    assert used_levels(levels, 4) == [(1, 3)]


def test_a_level_that_only_another_rank_uses_changes_nothing(layers):
    alone = rois([0, 0, 0, 0])
    agreed = alone._replace(used=(0, 1))
    [pooled] = pool_every_used_level(layers, features(), [agreed])
    merged = merge_levels(
        [p.features.flatten(1) for p in pooled], [p.valid for p in pooled]
    )
    [[expected]] = pool_every_used_level(layers, features(), [alone])
    assert torch.equal(merged, expected.features.flatten(1))


def test_tie_is_zero_and_gives_zero_gradients():
    maps = [torch.full((1, 2, 3, 3), float('inf'), requires_grad=True)]
    zero = tie(maps)
    assert zero.item() == 0
    zero.backward()
    assert torch.equal(maps[0].grad, torch.zeros(1, 2, 3, 3))
    assert tie([]).item() == 0
