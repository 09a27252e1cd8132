"""Recompute batch norm's running statistics before an evaluation."""

import itertools
from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import IterBasedTrainLoop, Runner
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.data import DataLoader

from mmsoco.engine.optimizers.finite_steps import not_finite_flag
from mmsoco.engine.values import check_interval
from mmsoco.registry import HOOKS


@torch.no_grad()
def recompute_statistics(
    model: nn.Module, loader: DataLoader, num_iters: int
) -> int:
    """Set the running statistics to their mean over training batches.

    Wu and Johnson, "Rethinking 'Batch' in BatchNorm", arXiv 2105.07576,
    section 3: running averages lag behind weights that change; the mean over
    batches at fixed weights does not. The batches run through the model's
    training forward, so that a detector's heads see the RoIs of training.

    Args:
        model: an mmengine model, in training mode and not wrapped.
        loader: training batches.
        num_iters: batches per process, at least 1.

    Returns:
        The number of batches, of all processes, that were left out because
        their statistics are not finite. If no batch is left, the running
        statistics stay as they were.
    """
    layers = [
        m for m in model.modules() if isinstance(m, _BatchNorm) and m.training
    ]
    if not layers:
        return 0
    momenta = [layer.momentum for layer in layers]
    buffers = [b for m in layers for b in (m.running_mean, m.running_var)]
    old = [buffer.clone() for buffer in buffers]
    sums = [torch.zeros_like(buffer) for buffer in buffers]
    for layer in layers:
        layer.momentum = 1.0  # use only the statistics of the last batch
    counts = torch.zeros(2, device=buffers[0].device)  # used, left out
    for batch in itertools.islice(loader, num_iters):
        model(**model.data_preprocessor(batch, True), mode='loss')
        is_bad = int(not_finite_flag(buffers).item())
        counts[is_bad] += 1
        if is_bad:
            torch._foreach_copy_(buffers, old)  # 0 times NaN is NaN
        else:
            torch._foreach_add_(sums, buffers)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    all_reduce(counts)
    for buffer, total, kept in zip(buffers, sums, old, strict=True):
        all_reduce(total)
        buffer.copy_(total / counts[0] if counts[0] else kept)
    return int(counts[1])


@HOOKS.register_module()
class PreciseBNHook(Hook):
    """Run :func:`recompute_statistics` before evaluations and checkpoints.

    Args:
        num_iters: batches per process.
        interval: epochs between two runs, or iterations in an iteration-based
            run; None takes that of the evaluation (``val_interval``). It
            always runs at the end of the training.

    Raises:
        ValueError: If a number is not a whole number of at least 1.
    """

    # Before the checkpoint and the evaluation that use the statistics.
    priority = 'ABOVE_NORMAL'

    def __init__(
        self, num_iters: int = 200, interval: int | None = None
    ) -> None:
        check_interval(self, 'num_iters', num_iters)
        if interval is not None:
            check_interval(self, 'interval', interval)
        self.num_iters = num_iters
        self.interval = interval

    def after_train_epoch(self, runner: Runner) -> None:
        """Set them at the end of an epoch, in an epoch-based run.

        See Hook.after_train_epoch.
        """
        if isinstance(runner.train_loop, IterBasedTrainLoop):
            return
        if self.every_n_epochs(
            runner, self._interval(runner)
        ) or self.is_last_train_epoch(runner):
            self._run(runner)

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict | None = None,
    ) -> None:
        """Set them after an iteration, in an iteration-based run.

        See Hook.after_train_iter.
        """
        if not isinstance(runner.train_loop, IterBasedTrainLoop):
            return
        if self.every_n_train_iters(
            runner, self._interval(runner)
        ) or self.is_last_train_iter(runner):
            self._run(runner)

    def _interval(self, runner: Runner) -> int:
        return self.interval or runner.train_loop.val_interval

    def _run(self, runner: Runner) -> None:
        runner.logger.info(
            f'Recomputing batch norm statistics over {self.num_iters} batches.'
        )
        model = runner.model
        # A separate loader: drawing from the training loader would disturb
        # its order and, with persistent workers, end the running epoch.
        cfg = dict(runner.cfg.train_dataloader, persistent_workers=False)
        loader = runner.build_dataloader(cfg, seed=runner.seed)
        left_out = recompute_statistics(
            model.module if is_model_wrapper(model) else model,
            loader,
            self.num_iters,
        )
        if left_out:
            runner.logger.warning(
                f'{left_out} batches were left out, since their statistics '
                'are not finite.'
            )
