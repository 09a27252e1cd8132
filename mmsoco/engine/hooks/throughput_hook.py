"""Log images per second and the share of time spent waiting for data."""

import math
from collections import deque
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmsoco.engine.run_record import batch_size_of
from mmsoco.registry import HOOKS


def missing_workers(data_wait: float, workers: int) -> int:
    """Estimate from the waiting time how many data workers are missing.

    A step that waits during the share ``w`` of its time runs at the speed of
    the workers; at its own speed, it would need ``workers / (1 - w)`` of them.

    Args:
        data_wait: share of the time spent waiting, in [0, 1).
        workers: data workers of the process, at least 1.
    """
    return math.ceil(workers / (1 - data_wait)) - workers


# Iterations that start something: data workers in each epoch (unless they
# persist), and compiled layers, also for the second and third shapes.
_START = 1
_START_COMPILED = 5
# Fewer iterations do not allow advice about the number of workers.
_ENOUGH = 10


@HOOKS.register_module()
class ThroughputHook(Hook):
    """Add ``images_per_s`` and ``data_wait`` to the log.

    ``images_per_s`` counts the images of all processes. ``data_wait`` is the
    share of the time in which the training step waited for data, from 0 to
    1; a larger share than ``tolerance`` is reported at the end of an epoch,
    with the number of data workers that are missing.

    The start is not counted: the first iteration of an epoch, which waits for
    data workers to start, and the first iterations of a run whose layers are
    compiled. How long the start took is logged once. An epoch of a few
    iterations gets no advice; its times count in the next epoch.

    It reads the times that mmengine's ``IterTimerHook`` measures, over the
    window of the log.

    Args:
        tolerance: share of waiting that needs no report.

    Raises:
        ValueError: If the tolerance is not a share.
    """

    # After IterTimerHook, which has the same priority and comes first.
    priority = 'NORMAL'

    def __init__(self, tolerance: float = 0.02) -> None:
        if not 0 <= tolerance <= 1:
            raise ValueError(
                'ThroughputHook expects a tolerance from 0 to 1 (a share of '
                f'the time), but got {tolerance}.'
            )
        self.tolerance = tolerance

    def before_train(self, runner: Runner) -> None:
        """Start the counts.

        See Hook.before_train.
        """
        processes = runner.world_size
        self.batch_size = batch_size_of(runner.train_dataloader) * processes
        compiled = bool(runner.cfg.get('compile'))
        self._starting = _START_COMPILED if compiled else _START
        self._start_seconds = 0.0
        self._is_reported = False
        self._window: deque[tuple[float, float]] = deque(
            maxlen=runner.log_processor.window_size
        )
        self._counted = 0
        self._time = self._wait = 0.0

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict | None = None,
    ) -> None:
        """Update both gauges.

        See Hook.after_train_iter.
        """
        hub = runner.message_hub
        time = hub.get_scalar('train/time').current()
        wait = hub.get_scalar('train/data_time').current()
        if self._starting > 0:
            self._starting -= 1
            self._start_seconds += time
            return
        if batch_idx == 0:
            return
        if not self._is_reported:
            self._report_start(runner)
        self._counted += 1
        self._time += time
        self._wait += wait
        self._window.append((time, wait))
        times, waits = map(sum, zip(*self._window, strict=True))
        images = self.batch_size * len(self._window)
        hub.update_scalar('train/images_per_s', images / times)
        hub.update_scalar('train/data_wait', waits / times)

    def after_train_epoch(self, runner: Runner) -> None:
        """Report the epoch, if it waited for data.

        See Hook.after_train_epoch.
        """
        if self._counted < _ENOUGH:
            return
        data_wait = self._wait / self._time
        if data_wait > self.tolerance:
            runner.logger.info(
                f'The training step waited for data {data_wait:.0%} of the '
                f'time. {_advice(data_wait, runner)}'
            )
        self._counted, self._time, self._wait = 0, 0.0, 0.0

    def _report_start(self, runner: Runner) -> None:
        """Log how long the start took."""
        self._is_reported = True
        runner.logger.info(
            f'Starting took {self._start_seconds:.1f} s (data workers, first '
            'iterations, compiling); images_per_s does not count it.'
        )


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
