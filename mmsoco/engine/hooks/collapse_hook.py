"""Warn, or stop the run, when the embeddings of all objects become equal."""

import math
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmsoco.engine.errors import TrainingFailedError
from mmsoco.engine.values import check_interval
from mmsoco.registry import HOOKS


@HOOKS.register_module()
class CollapseHook(Hook):
    """Watch the spread of the embeddings.

    The model logs ``embedding_std``: the standard deviation of the normalized
    projections over the batch, times the root of their dimension, 1 if they
    point equally in all directions, and 0 if they are all the same. A loss
    near its minimum with a spread near 0 is a collapse: the network maps every
    object to the same vector and has learned nothing.

    Args:
        threshold: mean spread below which the embeddings count as collapsed.
        interval: iterations between two checks, and the number of iterations
            to average over; those whose spread is not finite are left to
            `FiniteHook`.
        silence: checks between two warnings about one collapse.
        stop: whether a collapse ends the run.
        patience: checks in a row with a collapse that end it.

    Raises:
        ValueError: If an argument is out of range.
    """

    priority = 'NORMAL'

    def __init__(
        self,
        threshold: float = 0.1,
        interval: int = 50,
        silence: int = 20,
        stop: bool = False,
        patience: int = 3,
    ) -> None:
        if not 0 < threshold < 1:
            raise ValueError(
                'CollapseHook expects a threshold between 0 and 1 (the '
                f'spread of embeddings), but got {threshold}.'
            )
        check_interval(self, 'interval', interval)
        check_interval(self, 'silence', silence)
        check_interval(self, 'patience', patience)
        self.threshold = threshold
        self.interval = interval
        self.silence = silence
        self.stop = stop
        self.patience = patience
        self.collapsed_looks = 0

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict | None = None,
    ) -> None:
        """Check the gauges every ``interval`` iterations.

        See Hook.after_train_iter.

        Raises:
            TrainingFailedError: If the embeddings have collapsed, and ``stop``
                is set.
        """
        if not self.every_n_train_iters(runner, self.interval):
            return
        spread = self._mean(runner, 'embedding_std')
        if spread is None:
            return
        if spread >= self.threshold:
            self.collapsed_looks = 0
            return
        self.collapsed_looks += 1
        message = _message(
            spread, self.threshold, self._mean(runner, 'pair_cosine')
        )
        if self.stop and self.collapsed_looks >= self.patience:
            raise TrainingFailedError(message)
        if (self.collapsed_looks - 1) % self.silence == 0:
            runner.logger.warning(message)

    def _mean(self, runner: Runner, name: str) -> float | None:
        """Average a gauge since the last check; None without any value."""
        hub = runner.message_hub
        if f'train/{name}' not in hub.log_scalars:
            return None
        values, _ = hub.get_scalar(f'train/{name}').data
        finite = [v for v in values[-self.interval :] if math.isfinite(v)]
        return sum(finite) / len(finite) if finite else None


def _message(spread: float, threshold: float, cosine: float | None) -> str:
    rule = '=' * 72
    pairs = '' if cosine is None else f', pair_cosine is {cosine:.3f}'
    return (
        f'\n{rule}\nTHE EMBEDDINGS HAVE COLLAPSED: embedding_std is '
        f'{spread:.3f} (below {threshold:g}; 1 is a full spread){pairs}.\n'
        'All objects get nearly the same embedding, so a low loss means '
        'nothing here.\n'
        'What helps: a smaller learning rate or a longer warm-up '
        '(optim_wrapper.optimizer.lr, param_scheduler.warmup); a larger '
        'batch per process (at least 4 images, batch norm needs it); a '
        'target momentum of 0.99 or more '
        '(default_hooks.target_update.base_momentum). These may be changed '
        'in a resumed run: name a checkpoint from before the collapse, '
        '--resume WORK_DIR/epoch_N.pth --cfg-options '
        'optim_wrapper.optimizer.lr=..., or start over in another '
        f'--work-dir.\n{rule}'
    )
