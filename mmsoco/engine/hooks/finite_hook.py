"""Count skipped steps, and end a run that skips all of them."""

from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.dist import get_rank, get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapperDict
from mmengine.runner import Runner

from mmsoco.checkpoints.newest import checkpoints_of
from mmsoco.engine.diagnosis import (
    NO_LAYER,
    first_not_finite,
    image_names,
    keep_batch,
)
from mmsoco.engine.errors import TrainingFailedError
from mmsoco.engine.hooks.runtime_info_hook import LoggedValues
from mmsoco.engine.values import check_interval
from mmsoco.registry import HOOKS

_NAMED = 4
_REPORTED = 3  # of a row of failed steps
_MANY = 0.1  # share of skipped steps that is worth a warning


@dataclass(frozen=True)
class _Step:
    """A step whose outcome is being copied to the host."""

    iter: int
    epoch: int
    batches: list[Any]
    outcome: LoggedValues


@HOOKS.register_module()
class FiniteHook(Hook):
    """End a run whose steps are not finite, and say where that began.

    mmsoco's runner skips single steps whose loss or gradients are not finite
    (`FiniteSteps`) and always has this hook: it counts them as
    ``skipped_steps``, names the images, and after several in a row, or if all
    of a run have failed, ends the run with an error that names the step, its
    images and the first layer whose output is not finite. The batch is kept in
    ``WORK_DIR/not_finite/``, see `mmsoco.engine.diagnosis.replay`. If more
    than a tenth of the steps of an epoch or of the training are skipped, a
    warning at its end says so.

    On a GPU, it gets the outcome of a step one iteration late, without waiting
    for it.

    Args:
        stop_after: failed steps in a row that end the run.
        stop_after_scaled: the same with fp16's loss scaling, which starts with
            a scale that is too large, and fails on purpose until it fits.

    Raises:
        ValueError: If a number is not a whole number of at least 1.
    """

    # Before the hooks that log and save.
    priority = 'VERY_HIGH'

    def __init__(
        self, stop_after: int = 5, stop_after_scaled: int = 30
    ) -> None:
        check_interval(self, 'stop_after', stop_after)
        check_interval(self, 'stop_after_scaled', stop_after_scaled)
        self.stop_after = stop_after
        self.stop_after_scaled = stop_after_scaled

    def before_train(self, runner: Runner) -> None:
        """Reset the count of failed steps.

        See Hook.before_train.
        """
        self._batches: list[Any] = []
        self._pending: deque[_Step] = deque()
        self._skipped = self._judged = 0
        self._earlier = (0, 0)
        self._starts = runner.iter == 0
        runner.failed_steps = 0

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict | None = None,
    ) -> None:
        """Take the flags of the wrapper, and evaluate earlier steps.

        See Hook.after_train_iter.

        Raises:
            TrainingFailedError: If too many steps in a row have failed.
        """
        self._batches.append(data_batch)
        flags = [
            flag
            for wrapper in _wrappers(runner)
            for flag in getattr(wrapper, 'take_flags', list)()
        ]
        if not flags:
            return
        outcome = LoggedValues({str(i): flag for i, flag in enumerate(flags)})
        self._pending.append(
            _Step(runner.iter, runner.epoch, self._batches, outcome)
        )
        self._batches = []
        late = int(outcome.is_travelling and batch_idx > 0)
        while len(self._pending) > late:
            self._judge(runner, self._pending.popleft())

    def after_train_epoch(self, runner: Runner) -> None:
        """Evaluate all steps, since a checkpoint may follow.

        See Hook.after_train_epoch.
        """
        while self._pending:
            self._judge(runner, self._pending.popleft())
        skipped, judged = self._earlier
        self._earlier = (self._skipped, self._judged)
        _warn_of_many(
            runner,
            f'Epoch {runner.epoch + 1}',
            self._skipped - skipped,
            self._judged - judged,
        )

    def after_train(self, runner: Runner) -> None:
        """Warn if much of the training was skipped.

        See Hook.after_train.
        """
        _warn_of_many(runner, 'This training', self._skipped, self._judged)

    def _judge(self, runner: Runner, step: _Step) -> None:
        self._judged += 1
        if not any(step.outcome.arrived().values()):
            runner.failed_steps = 0
            return
        runner.failed_steps += 1
        self._skipped += 1
        runner.message_hub.update_scalar('train/skipped_steps', self._skipped)
        scaled = any(
            getattr(wrapper, 'scales_loss', False)
            for wrapper in _wrappers(runner)
        )
        limit = self.stop_after_scaled if scaled else self.stop_after
        # A run that is shorter than the limit has learned nothing either.
        none_taken = self._starts and runner.failed_steps == self._judged
        is_last = step.iter + 1 >= runner.max_iters
        if runner.failed_steps >= limit or (is_last and none_taken):
            raise TrainingFailedError(self._end(runner, step))
        if runner.failed_steps <= _REPORTED:
            why = ' (fp16 lowers its scale)' if scaled else ''
            runner.logger.warning(
                f'Iteration {step.iter + 1}: loss or gradients are not '
                f'finite; the step is skipped{why}. '
                f'{_images(runner, step)}'
            )

    def _end(self, runner: Runner, step: _Step) -> str:
        """Keep the batch, and end the run with all that is known."""
        model = runner.model
        model = model.module if is_model_wrapper(model) else model
        batches = list(step.batches)
        layer = NO_LAYER
        for number, batch in enumerate(batches):  # of accumulated gradients
            layer = _layer(runner, model, batch)
            if layer != NO_LAYER:
                batches.append(batches.pop(number))
                break
        if layer == NO_LAYER and get_world_size() > 1:
            layer += ', or in another process'
        batch = batches[-1]
        path = Path(
            runner.work_dir,
            'not_finite',
            f'iter_{step.iter + 1}_rank{get_rank()}.pt',
        )
        keep_batch(
            path,
            dict(
                batch=batch,
                further_batches=batches[:-1],
                iter=step.iter + 1,
                epoch=step.epoch + 1,
                seed=runner.seed,
                images=image_names(batch, runner.train_dataloader.dataset),
                layer=layer,
                state_dict=model.state_dict() if is_main_process() else {},
            ),
        )
        return (
            f'Iteration {step.iter + 1} (epoch {step.epoch + 1}): loss or '
            f'gradients are not finite, for {runner.failed_steps} steps in a '
            f'row. First layer{_of_process()} whose output is not finite: '
            f'{layer}. '
            f'{_images(runner, step)} The batch is kept in {path}. None of '
            f'these steps was applied. {_remedy(runner)}'
        )


def _warn_of_many(
    runner: Runner, what: str, skipped: int, judged: int
) -> None:
    """Warn of a large share of skipped steps."""
    if skipped > _MANY * judged:
        runner.logger.warning(
            f'{what}: {skipped} of {judged} steps ({skipped / judged:.0%}) '
            'were skipped, since loss or gradients were not finite. Look at '
            'the images that were named, or lower the learning rate '
            '(optim_wrapper.optimizer.lr).'
        )


def _wrappers(runner: Runner) -> list[Any]:
    wrapper = runner.optim_wrapper
    if isinstance(wrapper, OptimWrapperDict):
        return list(wrapper.values())
    return [wrapper]


def _layer(runner: Runner, model: Any, batch: Any) -> str:
    wrapper = _wrappers(runner)[0]
    try:
        return first_not_finite(model, batch, wrapper.optim_context(model))
    except Exception as error:  # any model; the run ends anyway
        return f'not found ({type(error).__name__}: {error})'


def _images(runner: Runner, step: _Step) -> str:
    dataset = runner.train_dataloader.dataset
    names = [n for batch in step.batches for n in image_names(batch, dataset)]
    if not names:
        return 'The data set does not name its images.'
    more = f' and {len(names) - _NAMED} more' if len(names) > _NAMED else ''
    return f'Images{_of_process()}: {", ".join(names[:_NAMED])}{more}.'


def _of_process() -> str:
    """Name this process if there are others, whose batches are not known."""
    count = get_world_size()
    return f' of process {get_rank() + 1} of {count}' if count > 1 else ''


def _remedy(runner: Runner) -> str:
    saved = checkpoints_of(runner.work_dir)
    rates = [
        group['lr']
        for wrapper in _wrappers(runner)
        for group in wrapper.param_groups
    ]
    lower = (
        'a lower learning rate (optim_wrapper.optimizer.lr; it stood at '
        f'{max(rates):g})'
    )
    if saved:
        return (
            f'Continue from {saved[0].name} with --resume and {lower}, or '
            'look at the images.'
        )
    return f'Nothing was saved yet: start over with {lower}.'
