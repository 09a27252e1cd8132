"""Refuse invalid settings of data loaders, by their keys."""

import multiprocessing
import os
from collections.abc import Mapping
from typing import Any

from torch.utils.data import DataLoader

from mmsoco.config.keys import value_at
from mmsoco.datasets.proposal_dataset import ProposalDataset
from mmsoco.datasets.samplers import SampleKey
from mmsoco.engine.values import (
    check_not_negative,
    check_switch,
    check_whole,
)
from mmsoco.utils.machine import MOST_PROCESSES_PER_CORE
from mmsoco.utils.names import near

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
# mmengine's Runner reads the first seven, torch's DataLoader the others.
_KEYS = frozenset(
    'dataset sampler batch_sampler collate_fn worker_init_fn '
    'num_batch_per_epoch disable_subprocess_warning '
    'batch_size num_workers pin_memory pin_memory_device drop_last timeout '
    'multiprocessing_context prefetch_factor persistent_workers '
    'in_order'.split()
)
_COUNTS = {
    'batch_size': 1,
    'num_workers': 0,
    'prefetch_factor': 1,
    'num_batch_per_epoch': 1,
    'sampler.seed': 0,
}
_SWITCHES = (
    'drop_last',
    'pin_memory',
    'persistent_workers',
    'in_order',
    'sampler.shuffle',
    'sampler.round_up',
)
# Settings of worker processes, and their values without workers.
_OF_WORKERS = {
    'persistent_workers': False,
    'prefetch_factor': None,
    'timeout': 0,
    'multiprocessing_context': None,
}


def check_loader(key: str, loader: Mapping[str, Any]) -> None:
    """Refuse settings with which a data loader cannot be built.

    Args:
        key: Its key in the config, such as ``train_dataloader``.
        loader: Its settings.

    Raises:
        ValueError: If a setting is unknown, out of range, or does not fit
            the number of workers; the message names its key.
    """
    _check_names(key, loader)
    for name, lowest in _COUNTS.items():
        value = value_at(loader, name)
        # None means "not set", except for the batch size.
        if value is not None or (name == 'batch_size' and name in loader):
            check_whole(f'{key}.{name}', value, lowest, floats=False)
    for name in _SWITCHES:
        check_switch(f'{key}.{name}', value_at(loader, name))
    for name in ('collate_fn', 'worker_init_fn'):
        value = loader.get(name)
        if not (value is None or callable(value) or _has_type(value)):
            raise ValueError(
                f'{key}.{name} expects dict(type=FUNCTION), got {value!r}.'
            )
    if loader.get('timeout') is not None:
        check_not_negative(f'{key}.timeout', loader['timeout'])
    _check_workers(key, loader)


def refuse_fixed_views(loader: DataLoader) -> None:
    """Refuse a sampler with which an image has the same views in all epochs.

    Args:
        loader: The training data.

    Raises:
        ValueError: If views are drawn from the key of a sample, and the
            sampler gives plain numbers.
    """
    sampler = getattr(loader.batch_sampler, 'sampler', loader.sampler)
    if not _draws_views(loader.dataset) or isinstance(
        next(iter(sampler), None), SampleKey
    ):
        return
    raise ValueError(
        f'{LOADERS[0]}.sampler is {type(sampler).__name__}, with which each '
        'image has the same views in all epochs: set '
        f'{LOADERS[0]}.sampler.type=EpochIndexSampler.'
    )


def _has_type(value: Any) -> bool:
    return isinstance(value, Mapping) and 'type' in value


def _draws_views(dataset: Any) -> bool:
    inner = (
        getattr(dataset, 'dataset', None),
        *getattr(dataset, 'datasets', ()),
    )
    return isinstance(dataset, ProposalDataset) or any(
        _draws_views(part) for part in inner if part is not None
    )


def _check_names(key: str, loader: Mapping[str, Any]) -> None:
    for name in loader:
        if name == 'shuffle':
            raise ValueError(
                f'unknown key {key}.shuffle: the order of the images is that '
                f'of the sampler, set {key}.sampler.shuffle.'
            )
        if name not in _KEYS | {'_scope_'}:
            raise ValueError(
                f'unknown key {key}.{name}{near(name, _KEYS)} (a data loader '
                f'takes {", ".join(sorted(_KEYS))})'
            )


def _check_workers(key: str, loader: Mapping[str, Any]) -> None:
    """Refuse too many workers, and settings of workers without any."""
    workers = loader.get('num_workers') or 0
    most = MOST_PROCESSES_PER_CORE * (os.cpu_count() or 1)
    if workers > most:
        raise ValueError(
            f'{key}.num_workers expects at most {most} processes on this '
            f'machine ({MOST_PROCESSES_PER_CORE} for each core), but got '
            f'{workers}.'
        )
    method = loader.get('multiprocessing_context')
    known = multiprocessing.get_all_start_methods()
    if isinstance(method, str) and method not in known:
        raise ValueError(
            f'{key}.multiprocessing_context expects one of '
            f'{", ".join(known)}, but got {method!r}.'
        )
    for name, none in _OF_WORKERS.items():
        value = loader.get(name, none)
        if not workers and value not in (none, None):
            raise ValueError(
                f'{key}.{name}={value!r} needs worker processes, but '
                f'{key}.num_workers is 0: set {key}.{name}={none}, or '
                f'{key}.num_workers to 1 or more.'
            )
