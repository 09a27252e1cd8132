"""Logs images per second and the share of time spent waiting for data."""

import math
from typing import Any

from mmengine.hooks import Hook
from mmengine.logging import MessageHub
from mmengine.runner import Runner

from mmsoco.registry import HOOKS


def missing_workers(data_wait: float, workers: int) -> int:
    """Data workers that are too few, by the share of time spent waiting.

    A step that waits for the share ``w`` of its time runs at the speed of
    the workers, and would need ``workers / (1 - w)`` of them to run at its
    own.

    Args:
        data_wait: share of the time spent waiting, in [0, 1).
        workers: data workers of the process, at least 1.
    """
    return math.ceil(workers / (1 - data_wait)) - workers


@HOOKS.register_module()
class ThroughputHook(Hook):
    """Adds ``images_per_s`` and ``data_wait`` to the log.

    ``images_per_s`` counts the images of all processes. ``data_wait`` is the
    share of the time in which the training step waited for data, from 0 to
    1; at the end of an epoch, a larger share than ``tolerance`` is reported
    with the number of data workers that are missing.

    It reads the times that mmengine's ``IterTimerHook`` measures, over the
    window of the log.

    Args:
        tolerance: share of waiting that needs no report.
    """

    # After IterTimerHook, which has the same priority and comes first.
    priority = 'NORMAL'

    def __init__(self, tolerance: float = 0.02) -> None:
        self.tolerance = tolerance

    def before_train(self, runner: Runner) -> None:
        """Notes the images of one iteration.

        Args:
            runner: the runner.
        """
        sampler = runner.train_dataloader.batch_sampler
        self.batch_size = sampler.batch_size * runner.world_size

    def before_train_epoch(self, runner: Runner) -> None:
        """Starts the sums of an epoch.

        Args:
            runner: the runner.
        """
        self.epoch_time = self.epoch_wait = 0.0

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict | None = None,
    ) -> None:
        """Updates both gauges.

        Args:
            runner: the runner.
            batch_idx: iteration within the epoch.
            data_batch: the batch.
            outputs: what the model logged.
        """
        hub = runner.message_hub
        window = runner.log_processor.window_size
        time = _mean(hub, 'time', min(window, batch_idx + 1))
        wait = _mean(hub, 'data_time', min(window, batch_idx + 1))
        hub.update_scalar('train/images_per_s', self.batch_size / time)
        hub.update_scalar('train/data_wait', wait / time)
        self.epoch_time += _mean(hub, 'time', 1)
        self.epoch_wait += _mean(hub, 'data_time', 1)

    def after_train_epoch(self, runner: Runner) -> None:
        """Reports the epoch, if it waited for data.

        Args:
            runner: the runner.
        """
        if not self.epoch_time:
            return
        data_wait = self.epoch_wait / self.epoch_time
        if data_wait > self.tolerance:
            runner.logger.info(
                f'The training step waited for data {data_wait:.0%} of the '
                f'time. {_advice(data_wait, runner)}'
            )


def _mean(hub: MessageHub, name: str, window: int) -> float:
    return float(hub.get_scalar(f'train/{name}').mean(window))


def _advice(data_wait: float, runner: Runner) -> str:
    workers = runner.train_dataloader.num_workers
    if workers == 0:
        return (
            'It loads the data itself: set train_dataloader.num_workers to '
            'the number of free CPU cores.'
        )
    return (
        f'About {missing_workers(data_wait, workers)} more data workers per '
        f'process would keep up (train_dataloader.num_workers is {workers}), '
        'if there are cores for them.'
    )
