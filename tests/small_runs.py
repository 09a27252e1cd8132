"""Runs of milliseconds, through the real runner."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.fileio import LocalBackend
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from torch import nn

from mmsoco.engine import Runner
from mmsoco.registry import DATASETS, HOOKS, MODELS


@MODELS.register_module()
class SmallRegressor(BaseModel):
    """Layers with batch statistics and their own random numbers."""

    def __init__(self, width: int = 2):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(2, width),
            nn.BatchNorm1d(width),
            nn.Dropout(0.5),
            nn.Linear(width, 1),
        )

    def forward(self, inputs, mode):
        """The mean square of what the layers make, between -1 and 1."""
        output = self.layers(torch.stack(inputs)).tanh()
        return dict(loss=output.square().mean())


@MODELS.register_module()
class PlainRegressor(BaseModel):
    """Two layers without anything that keeps numbers small."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))

    def forward(self, inputs, mode):
        """The mean square of the last layer's output."""
        return dict(loss=self.layers(torch.stack(inputs)).square().mean())


@DATASETS.register_module()
class NamedPoints(torch.utils.data.Dataset):
    """Points with the names of images."""

    count = 8

    def __init__(self, ann_file: str = 'a.json', names: str = 'x'):
        self.names = names

    def __len__(self):
        return self.count

    def __getitem__(self, key):
        index = getattr(key, 'index', key)
        return dict(inputs=torch.tensor([index / self.count, 1.0]))

    def get_data_info(self, index):
        """As mmdet's data sets tell the name of an image."""
        return dict(img_path=f'{self.names}{index}.jpg')


@HOOKS.register_module()
class Diary(Hook):
    """Notes the rate of each iteration, and calls what a test wants."""

    priority = 'VERY_LOW'

    def __init__(self):
        self.rates = {}
        self.on_iter = None

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        """Notes the rate."""
        self.rates[runner.iter] = runner.optim_wrapper.get_lr()['lr'][0]
        if self.on_iter is not None:
            self.on_iter(runner)


def small_runner(work_dir: Path, **settings) -> Runner:
    """Build the runner of `small_config`."""
    return Runner.from_cfg(Config(small_config(work_dir, **settings)))


def small_config(work_dir: Path, **settings) -> dict:
    """Three epochs of four iterations, unless told otherwise.

    Args:
        work_dir: the work dir.
        settings: keys of the config; a dict is merged into the one here.
    """
    cfg = dict(
        model=dict(type='SmallRegressor'),
        work_dir=str(work_dir),
        train_dataloader=dict(
            batch_size=2,
            dataset=dict(type='NamedPoints'),
            sampler=dict(type='EpochIndexSampler', shuffle=True),
        ),
        train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=3),
        optim_wrapper=dict(
            type='OptimWrapper',
            optimizer=dict(type='SGD', lr=0.5, momentum=0.9),
        ),
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1)),
        custom_hooks=[dict(type='Diary')],
        default_scope='mmsoco',
        experiment_name=f'small-{time.monotonic_ns()}',
        randomness=dict(seed=0),
    )
    return _merged(cfg, settings)


def _merged(old: dict, new: dict) -> dict:
    merged = dict(old)
    for key, value in new.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        if both and '_delete_' in value:
            value = {k: v for k, v in value.items() if k != '_delete_'}
            both = False
        merged[key] = _merged(merged[key], value) if both else value
    return merged


def diary(runner: Runner) -> Diary:
    """The runner's diary."""
    [found] = [hook for hook in runner.hooks if isinstance(hook, Diary)]
    return found


def at_iteration(runner: Runner, number: int, act: Callable) -> None:
    """Let something happen before an iteration of a run that has a diary."""

    def act_then(runner: Runner) -> None:
        if runner.iter == number:
            act()

    diary(runner).on_iter = act_then


def log_of(work_dir: Path) -> str:
    """The log of the last start."""
    logs = work_dir.glob('*/*.log')
    return max(logs, key=lambda log: log.stat().st_mtime_ns).read_text()


def fill_disk(monkeypatch: pytest.MonkeyPatch, names: str = '') -> None:
    """Let the disk be full for checkpoints whose names hold a text."""
    put = LocalBackend.put

    def put_or_fail(self, content, path):
        if names in str(path):
            Path(path).write_bytes(content[:10])
            raise OSError(28, 'No space left on device')
        put(self, content, path)

    monkeypatch.setattr(LocalBackend, 'put', put_or_fail)
