"""Refuse settings of a training that are out of range, by their keys."""

import math
import multiprocessing
import os
from collections.abc import Mapping
from typing import Any

from mmsoco.utils.machine import MOST_PROCESSES_PER_CORE

# Whole numbers of at least 1, or of at least 0.
_COUNTS = {
    'train_dataloader.batch_size': 1,
    'train_dataloader.num_workers': 0,
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
}
_MAX_SEED = 2**32 - 1  # of numpy's generators
_RATES = (
    'optim_wrapper.optimizer.lr',
    'optim_wrapper.optimizer.weight_decay',
    'optim_wrapper.optimizer.momentum',
)
_SWITCHES = (
    'train_dataloader.drop_last',
    'train_dataloader.pin_memory',
    'train_dataloader.persistent_workers',
    'train_dataloader.sampler.shuffle',
    'env_cfg.cudnn_benchmark',
    'find_unused_parameters',
)


def check_training(cfg: Mapping) -> None:
    """Refuse a length, a batch, a rate or an interval that cannot be.

    Args:
        cfg: The config; what it does not set is not looked at.

    Raises:
        ValueError: If a setting is out of range; the message names its key.
    """
    for key, lowest in _COUNTS.items():
        value = _get(cfg, key)
        if value is not None:
            check_whole(key, value, lowest)
    for key in _RATES:
        value = _get(cfg, key)
        if value is not None and not (
            _is_number(value) and 0 <= value < math.inf
        ):
            raise ValueError(
                f'{key} expects a finite number of at least 0, but got '
                f'{value!r}.'
            )
    _check_limits(cfg)
    _check_switches(cfg)
    _check_intervals('default_hooks', cfg.get('default_hooks') or {})
    _check_intervals(
        'custom_hooks', dict(enumerate(cfg.get('custom_hooks') or ()))
    )


def _check_limits(cfg: Mapping) -> None:
    """Refuse values above what can work, and a way to start processes."""
    momentum = _get(cfg, 'optim_wrapper.optimizer.momentum')
    if momentum is not None and momentum >= 1:
        raise ValueError(
            'optim_wrapper.optimizer.momentum expects a number of at least 0 '
            f'and below 1, or the weights run away, but got {momentum!r}.'
        )
    seed = _get(cfg, 'randomness.seed')
    if seed is not None and seed > _MAX_SEED:
        raise ValueError(
            f'randomness.seed expects at most {_MAX_SEED}, but got {seed}.'
        )
    for loader in ('train', 'val', 'test'):
        _check_workers(f'{loader}_dataloader.num_workers', cfg)
    method = _get(cfg, 'env_cfg.mp_cfg.mp_start_method')
    known = multiprocessing.get_all_start_methods()
    if method is not None and method not in known:
        raise ValueError(
            'env_cfg.mp_cfg.mp_start_method expects one of '
            f'{", ".join(known)}, but got {method!r}.'
        )


def _check_workers(key: str, cfg: Mapping) -> None:
    value = _get(cfg, key)
    if value is None:
        return
    check_whole(key, value, 0)
    most = MOST_PROCESSES_PER_CORE * (os.cpu_count() or 1)
    if value > most:
        raise ValueError(
            f'{key} expects at most {most} processes on this machine '
            f'({MOST_PROCESSES_PER_CORE} for each core), but got {value}.'
        )


def _check_switches(cfg: Mapping) -> None:
    """Refuse a text such as "maybe", which Python takes for True."""
    for key in _SWITCHES:
        value = _get(cfg, key)
        if value not in (None, True, False):
            raise ValueError(f'{key} expects True or False, got {value!r}.')


def check_whole(key: str, value: Any, lowest: int = 1) -> None:
    """Refuse what is not a whole number of at least some size.

    Args:
        key: The setting, for the message.
        value: Its value.
        lowest: The smallest number.

    Raises:
        ValueError: If the value is something else.
    """
    if not _is_number(value) or value != value // 1 or value < lowest:
        raise ValueError(
            f'{key} expects a whole number of at least {lowest}, but got '
            f'{value!r}.'
        )


def _check_intervals(key: str, hooks: Mapping) -> None:
    """Refuse hooks of an interval of 0, which would never run, in silence."""
    for name, hook in hooks.items():
        if not isinstance(hook, Mapping) or hook.get('interval') in (None, -1):
            continue
        try:
            check_whole(f'{key}.{name}.interval', hook['interval'])
        except ValueError as error:
            raise ValueError(
                f'{error} To train without this hook, set {key}.{name}=None.'
            ) from None


def _is_number(value: Any) -> bool:
    """Return whether a value is a number, and no text, boolean or NaN."""
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and not math.isnan(value)
    )


def _get(cfg: Mapping, key: str) -> Any:
    """Return the value of ``a.b.c``, None where there is none."""
    value: Any = cfg
    for part in key.split('.'):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value
