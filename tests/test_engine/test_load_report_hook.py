"""Weights that do not arrive stop the run."""

import logging
from types import SimpleNamespace

import pytest
import torch
from mmengine.runner import BaseLoop
from torch import nn

from mmsoco.engine.hooks import LoadReportHook


class Loop(BaseLoop):
    """A training loop that was built: the run trains."""

    def __init__(self):
        """Needs no data."""

    def run(self):
        """Is not called."""


@pytest.fixture
def runner():
    model = nn.Module()
    model.backbone = nn.Linear(2, 3)
    model.neck = nn.Linear(3, 1)
    return SimpleNamespace(
        model=model,
        logger=logging.getLogger('load-report'),
        _resume=False,
        _load_from='weights.pth',
        _train_loop=Loop(),
    )


def weights(runner, **changes):
    state = {k: v.clone() for k, v in runner.model.state_dict().items()}
    return dict(state_dict={**state, **changes})


def test_prints_a_table_by_part(runner, caplog):
    checkpoint = weights(runner)
    del checkpoint['state_dict']['neck.bias']
    with caplog.at_level(logging.INFO):
        LoadReportHook().after_load_checkpoint(runner, checkpoint)
    assert 'weights.pth' in caplog.text
    rows = {
        line.split()[0]: line.split()[1:]
        for line in caplog.text.splitlines()
        if line
    }
    assert rows['backbone'] == ['2', '0', '0', '0']
    assert rows['neck'] == ['1', '1', '0', '0']


@pytest.mark.parametrize(
    'change',
    [{'neck.weight': torch.ones(5, 5)}, {'neck.conv.weight': torch.ones(1)}],
)
def test_stops_where_a_part_is_lost(runner, change):
    with pytest.raises(ValueError, match='neck'):
        LoadReportHook().after_load_checkpoint(
            runner, weights(runner, **change)
        )


def test_is_silent_when_resuming(runner, caplog):
    runner._resume = True
    with caplog.at_level(logging.INFO):
        LoadReportHook().after_load_checkpoint(
            runner, weights(runner, lost=torch.ones(1))
        )
    assert not caplog.records


def test_refuses_to_evaluate_untrained_parts(runner):
    checkpoint = weights(runner)
    LoadReportHook().after_load_checkpoint(runner, checkpoint)
    runner._train_loop = dict(max_epochs=1)  # not built: an evaluation
    LoadReportHook().after_load_checkpoint(runner, checkpoint)
    del checkpoint['state_dict']['neck.bias']
    with pytest.raises(ValueError, match='lacks weights of neck.*Fine-tune'):
        LoadReportHook().after_load_checkpoint(runner, checkpoint)
