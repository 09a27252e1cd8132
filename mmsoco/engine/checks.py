"""Refuse settings of a training that are out of range, by their keys."""

import math
import multiprocessing
from collections.abc import Mapping
from typing import Any

from mmsoco.config.keys import value_at, walk
from mmsoco.engine.loader_checks import LOADERS, check_loader
from mmsoco.engine.values import (
    MAX_SEED,
    check_not_negative,
    check_switch,
    check_whole,
    is_number,
)
from mmsoco.utils.names import near

# Whole numbers of at least 1, or of at least 0.
_COUNTS = {
    'train_cfg.max_epochs': 1,
    'train_cfg.max_iters': 1,
    'train_cfg.min_epochs': 1,
    'train_cfg.num_samples': 1,
    'train_cfg.val_interval': 1,
    'optim_wrapper.accumulative_counts': 1,
    'auto_scale_lr.base_batch_size': 1,
    'randomness.seed': 0,
    'log_processor.window_size': 1,
    'env_cfg.dist_cfg.timeout': 1,
    'env_cfg.resource_limit': 1,
}
_RATES = (
    'optim_wrapper.optimizer.lr',
    'optim_wrapper.optimizer.weight_decay',
    'optim_wrapper.optimizer.momentum',
)
_SWITCHES = (
    'env_cfg.cudnn_benchmark',
    'find_unused_parameters',
    'log_processor.by_epoch',
    'train_cfg.by_epoch',
)
_NAMES = {
    'env_cfg.mp_cfg.mp_start_method': (
        *multiprocessing.get_all_start_methods(),
    ),
    'log_level': ('DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL'),
    'optim_wrapper.clip_grad.type': ('norm', 'value'),
    'sync_bn': ('torch', 'mmcv'),
}


def check_training(cfg: Mapping) -> None:
    """Refuse invalid lengths, batch sizes, rates and intervals.

    Args:
        cfg: The config; keys that it does not set are not checked.

    Raises:
        ValueError: If a setting is out of range; the message names its key.
    """
    for key, lowest in _COUNTS.items():
        value = value_at(cfg, key)
        if value is not None:
            check_whole(key, value, lowest)
    for key in _RATES:
        value = value_at(cfg, key)
        if value is not None:
            check_not_negative(key, value)
    _check_limits(cfg)
    for key in _SWITCHES:
        check_switch(key, value_at(cfg, key))
    _check_optimizer(cfg)
    _check_names(cfg)
    for loader in LOADERS:
        if isinstance(cfg.get(loader), Mapping):
            check_loader(loader, cfg[loader])
    for place, node in walk('param_scheduler', cfg.get('param_scheduler')):
        if isinstance(node, Mapping):
            by_iter = 'convert_to_iter_based'
            check_switch(f'{place}.{by_iter}', node.get(by_iter))
    _check_intervals('default_hooks', cfg.get('default_hooks') or {})
    _check_intervals(
        'custom_hooks', dict(enumerate(cfg.get('custom_hooks') or ()))
    )
    _check_numbers(cfg)


def _check_numbers(cfg: Mapping) -> None:
    """Refuse NaN in any setting: it would fail steps later."""
    for name in cfg:
        for key, value in walk(name, cfg[name]):
            if isinstance(value, float) and math.isnan(value):
                raise ValueError(f'{key} expects a number, but got {value!r}.')


def _check_limits(cfg: Mapping) -> None:
    """Refuse values out of bounds, and a step that keeps its graph."""
    rate = value_at(cfg, 'optim_wrapper.optimizer.lr')
    if rate == 0:
        raise ValueError(
            'optim_wrapper.optimizer.lr expects a number above 0, or nothing '
            f'is learned, but got {rate!r}.'
        )
    momentum = value_at(cfg, 'optim_wrapper.optimizer.momentum')
    if momentum is not None and momentum >= 1:
        raise ValueError(
            'optim_wrapper.optimizer.momentum expects a number of at least 0 '
            f'and below 1, or the weights run away, but got {momentum!r}.'
        )
    key = 'optim_wrapper.optimizer.differentiable'
    if value_at(cfg, key):
        raise ValueError(
            f'{key} expects False, got {value_at(cfg, key)!r}: it is for '
            'gradients of the step itself, which no training here takes.'
        )
    seed = value_at(cfg, 'randomness.seed')
    if seed is not None and seed > MAX_SEED:
        raise ValueError(
            f'randomness.seed expects at most {MAX_SEED}, but got {seed}.'
        )


def _check_optimizer(cfg: Mapping) -> None:
    """Refuse invalid multipliers and limits of gradients."""
    paramwise = 'optim_wrapper.paramwise_cfg'
    node = value_at(cfg, paramwise)
    multipliers = dict(node) if isinstance(node, Mapping) else {}
    parts = multipliers.get('custom_keys')
    # The names of parts may have dots of their own.
    for part, of_part in parts.items() if isinstance(parts, Mapping) else ():
        if isinstance(of_part, Mapping):
            for name, value in of_part.items():
                multipliers[f'custom_keys.{part}.{name}'] = value
    for name, value in multipliers.items():
        if name.endswith('_mult'):
            check_not_negative(f'{paramwise}.{name}', value)
    clip = value_at(cfg, 'optim_wrapper.clip_grad')
    if isinstance(clip, Mapping):
        _check_clipping(clip)


def _check_clipping(clip: Mapping) -> None:
    """Refuse invalid limits of gradients."""
    is_value = clip.get('type') == 'value'
    limit = 'clip_value' if is_value else 'max_norm'
    values: dict[str, Any] = {limit: clip.get(limit)}
    if clip.get('norm_type', 'inf') != 'inf':
        values['norm_type'] = clip['norm_type']
    for name, value in values.items():
        if not (is_number(value) and value > 0):
            raise ValueError(
                f'optim_wrapper.clip_grad.{name} expects a number above 0, '
                f'but got {value!r}. To train without a limit, set '
                'optim_wrapper.clip_grad=None.'
            )


def _check_names(cfg: Mapping) -> None:
    """Refuse names that are not in mmengine's tables."""
    for key, known in _NAMES.items():
        value = value_at(cfg, key)
        is_level = key == 'log_level' and isinstance(value, int)
        if value is not None and value not in known and not is_level:
            raise ValueError(
                f'{key} expects one of {", ".join(known)}, but got '
                f'{value!r}{near(str(value), known)}'
            )


def _check_intervals(key: str, hooks: Mapping) -> None:
    """Refuse hooks with an interval of 0, which would silently never run."""
    for name, hook in hooks.items():
        if not isinstance(hook, Mapping) or hook.get('interval') in (None, -1):
            continue
        try:
            check_whole(f'{key}.{name}.interval', hook['interval'])
        except ValueError as error:
            raise ValueError(
                f'{error} To train without this hook, set {key}.{name}=None.'
            ) from None
