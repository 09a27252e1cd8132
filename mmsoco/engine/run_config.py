"""Train or evaluate from a config that has been checked."""

import os
from typing import Any

from mmengine.config import Config

from mmsoco.engine.explanations import explained_errors
from mmsoco.engine.type_checks import check_types
from mmsoco.registry import RUNNERS


def run_config(cfg: Config, mode: str) -> Any:
    """Build the runner of a config, and train or evaluate.

    Args:
        cfg: The config.
        mode: ``'train'`` or ``'test'``.

    Returns:
        What the runner's method returns.

    Raises:
        ValueError: If a key of the config fits nothing; the message names it.
            Also if the labels do not fit the config.
    """
    if mode == 'train':
        _refuse_without_training(cfg)
    check_types(cfg)
    check_labels(cfg, mode)
    with explained_errors(cfg):
        return getattr(RUNNERS.build(cfg), mode)()


def _refuse_without_training(cfg: Config) -> None:
    for key in ('train_dataloader', 'train_cfg', 'optim_wrapper'):
        if cfg.get(key) is None:
            raise ValueError(
                f'{key} is missing or None: a training needs model, '
                'train_dataloader, train_cfg and optim_wrapper'
            )


def check_labels(cfg: Config, mode: str) -> None:
    """Check the labels of a detector and log a summary.

    Args:
        cfg: The config; labels that had to be repaired are replaced in it.
        mode: ``'train'`` or ``'test'``.

    Raises:
        ValueError: If the labels do not fit the config.
        OSError: If they cannot be read.
    """
    # Late: it imports mmdet's datasets.
    from mmsoco.datasets.detector_labels import (
        check_detector_labels,
        describe_labels,
        unchecked_labels,
    )

    splits = ('test',) if mode == 'test' else ('train', 'val')
    found = check_detector_labels(cfg, splits)
    if int(os.environ.get('RANK', 0)) == 0:
        unchecked = unchecked_labels(cfg, splits, found)
        for text in filter(None, (describe_labels(found), unchecked)):
            print(text, flush=True)
