"""What the optimizer gets of a model with fixed parts."""

import copy
import logging

import pytest
from mmengine.logging import MMLogger
from mmengine.optim import build_optim_wrapper
from torch import nn

from mmsoco.engine.optimizers.trained_parameters import (
    fixed_tensors,
    with_constructor,
)

SETTINGS = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.1, weight_decay=0.01),
    paramwise_cfg=dict(
        norm_decay_mult=0.0, custom_keys=dict(b=dict(lr_mult=2))
    ),
)


def model():
    """A trained part, one that is fixed in half, and a fixed one."""
    parts = nn.ModuleDict(
        dict(
            a=nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)),
            b=nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)),
            c=nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)),
        )
    )
    parts.b[0].requires_grad_(False)
    parts.c.requires_grad_(False)
    return parts


def groups(wrapper):
    """Learning rate, decay and tensors of each group."""
    return [
        (group['lr'], group['weight_decay'], [id(p) for p in group['params']])
        for group in wrapper.optimizer.param_groups
    ]


@pytest.fixture
def warnings():
    """What mmengine's current logger warns of."""
    logger = MMLogger.get_instance('trained_parameters')
    texts = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: texts.append(record.getMessage())
    logger.addHandler(handler)
    yield texts
    logger.removeHandler(handler)


def test_the_groups_are_those_of_mmengine_without_its_warnings(warnings):
    parts = model()
    plain = build_optim_wrapper(parts, copy.deepcopy(SETTINGS))
    assert len(warnings) == 6  # the fixed tensors: 2 of b, 4 of c
    warnings.clear()
    ours = build_optim_wrapper(parts, with_constructor(SETTINGS))
    assert groups(ours) == groups(plain)
    assert len(groups(ours)) == 6
    assert not warnings


def test_what_is_fixed_is_counted_by_part():
    assert fixed_tensors(model()) == dict(b=2, c=4)


@pytest.mark.parametrize(
    'given',
    [
        dict(SETTINGS, constructor='LayerDecayOptimWrapperConstructor'),
        dict(one=object()),
        None,
    ],
)
def test_other_settings_stay(given):
    assert with_constructor(given) is given
    assert 'constructor' not in SETTINGS
