"""Which layers let batches share a call."""

import pytest
import torch
from torch import nn

from mmsoco.models.shared_calls import call_with_each, has_batch_statistics


class ForeignNorm(nn.Module):
    """Batch norm that is none of PyTorch's classes, such as mmcv's SyncBN."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer('running_mean', torch.zeros(4))


@pytest.mark.parametrize(
    ('layer', 'in_training', 'in_eval'),
    [
        (nn.BatchNorm1d(4), True, False),
        (nn.BatchNorm2d(4, track_running_stats=False), True, True),
        (nn.SyncBatchNorm(4), True, False),
        (ForeignNorm(), True, False),
        (nn.InstanceNorm2d(4, track_running_stats=True), True, False),
        (nn.GroupNorm(2, 4), False, False),
        (nn.LayerNorm(4), False, False),
        (nn.Sequential(nn.Linear(4, 4), nn.Dropout()), False, False),
        (nn.Sequential(nn.Sequential(nn.BatchNorm2d(4))), True, False),
    ],
)
def test_only_batch_statistics_keep_batches_apart(layer, in_training, in_eval):
    assert has_batch_statistics(layer.train()) is in_training
    assert has_batch_statistics(layer.eval()) is in_eval


def test_one_layer_in_training_is_enough():
    stack = nn.Sequential(nn.BatchNorm1d(4), nn.BatchNorm1d(4)).eval()
    stack[1].train()
    assert has_batch_statistics(stack)


@pytest.mark.parametrize('norm', [nn.BatchNorm1d, nn.LayerNorm])
def test_batches_pass_as_if_one_after_the_other(norm):
    layer = nn.Sequential(nn.Linear(4, 3), norm(3))
    batches = [torch.randn(5, 4), 3 + torch.randn(2, 4)]
    expected = [layer(batch) for batch in batches]
    outputs = call_with_each(layer, batches, layer)
    for output, alone in zip(outputs, expected, strict=True):
        torch.testing.assert_close(output, alone)
