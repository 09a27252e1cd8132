"""Save checkpoints by epochs or iterations, and between them by minutes."""

import os
import time
from collections import deque
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook as MMEngineCheckpointHook
from mmengine.runner import Runner

from mmsoco.engine.values import check_interval
from mmsoco.registry import HOOKS
from mmsoco.utils.files import refuse_unwritable

_FIRST_SECONDS = 60.0


@HOOKS.register_module()
class CheckpointHook(MMEngineCheckpointHook):
    """mmengine's hook, which writes a new checkpoint before it removes one.

    In the scope ``mmsoco`` it takes the place of mmengine's hook of the same
    name. Beyond it:

    - the oldest checkpoint, or the best one up to then, is removed when the
      new one is complete; mmengine removes it before, so that a run with
      ``max_keep_ckpts=1`` that fails at this point has none;
    - while steps are skipped because they are not finite, checkpoints are
      postponed, so that the newest one is from before the failure;
    - between the checkpoints, ``interim.pth`` is replaced after 1, 2, 4
      minutes and so on, and finally every ``interim_minutes``, so that a run
      that is stopped or killed loses little.

    Args:
        interval: epochs or iterations between checkpoints; -1 for only the
            last one.
        interim_minutes: longest time without saving; None saves nothing in
            between.
        max_keep_ckpts: checkpoints that are kept; -1 for all.
        kwargs: further arguments of mmengine's hook.

    Raises:
        ValueError: If an argument is out of range.
    """

    max_keep_ckpts: int

    def __init__(
        self,
        interval: int = -1,
        interim_minutes: float | None = 10.0,
        max_keep_ckpts: int = -1,
        **kwargs: Any,
    ) -> None:
        if interval != -1:
            check_interval(self, 'interval', interval)
        if max_keep_ckpts != -1:
            check_interval(self, 'max_keep_ckpts', max_keep_ckpts)
        if interim_minutes is not None and not interim_minutes > 0:
            raise ValueError(
                'CheckpointHook expects interim_minutes > 0, or None for '
                f'none, but got {interim_minutes}.'
            )
        _check_name(kwargs.get('filename_tmpl'))
        super().__init__(interval, max_keep_ckpts=max_keep_ckpts, **kwargs)
        self.interim_minutes = interim_minutes

    def before_train(self, runner: Runner) -> None:
        """Start the clock.

        See Hook.before_train.

        Raises:
            OSError: If no checkpoint could be written.
        """
        super().before_train(runner)
        if '://' not in str(self.out_dir):
            refuse_unwritable(self.out_dir)
        self._wait = _FIRST_SECONDS
        self._saved_at = time.monotonic()

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict | None = None,
    ) -> None:
        """Save if it is time.

        See Hook.after_train_iter.
        """
        super().after_train_iter(runner, batch_idx, data_batch, outputs)
        if self.interim_minutes is None or not hasattr(runner, 'save_interim'):
            return
        waited = time.monotonic() - self._saved_at
        if waited >= min(self._wait, 60 * self.interim_minutes):
            if runner.save_interim(runner.iter + 1):
                self._saved_at = time.monotonic()
                self._wait *= 2

    def _save_checkpoint_with_step(
        self, runner: Runner, step: int, meta: dict
    ) -> None:
        if self._put_off(runner):
            return
        keep = self.max_keep_ckpts
        ids = [*getattr(self, 'keep_ckpt_ids', ())]
        ids = [number for number in ids if number != step] + [step]
        surplus = ids[:-keep] if keep > 0 else []
        if keep > 0:
            self.keep_ckpt_ids = deque(ids[-keep:], keep)
            runner.message_hub.update_info(
                'keep_ckpt_ids', list(self.keep_ckpt_ids)
            )
        self.max_keep_ckpts = -1  # nothing is removed by mmengine's method
        try:
            super()._save_checkpoint_with_step(runner, step, meta)
        finally:
            self.max_keep_ckpts = keep
        if is_main_process():
            self._remove([self.filename_tmpl.format(n) for n in surplus])
            if hasattr(runner, 'save_interim'):
                Path(runner.work_dir, 'interim.pth').unlink(missing_ok=True)
        self._saved_at = time.monotonic()

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        if self.save_best is None:
            return
        many = len(self.key_indicators) > 1
        paths: dict[str, Any] = (
            self.best_ckpt_path_dict if many else self.__dict__
        )
        names = self.key_indicators if many else ['best_ckpt_path']
        old = {name: paths[name] for name in names}
        paths.update(dict.fromkeys(names))  # as in the method above
        super()._save_best_checkpoint(runner, metrics)
        for name, path in old.items():
            if paths.get(name) is None:
                paths[name] = path
            elif path and path != paths[name] and is_main_process():
                # By its name: the run may be a copy of the one that wrote it.
                self._remove([os.path.basename(path)])

    def _put_off(self, runner: Runner) -> bool:
        """Return whether steps are failing, and log that."""
        failures = getattr(runner, 'failed_steps', 0)
        is_last = self.is_last_train_epoch(runner) or self.is_last_train_iter(
            runner
        )
        if not failures or is_last:
            return False
        runner.logger.warning(
            f'The checkpoint is postponed: the last {failures} steps were '
            'skipped.'
        )
        return True

    def _remove(self, names: list[str]) -> None:
        for name in names:
            path = self.file_backend.join_path(self.out_dir, name)
            if self.file_backend.isfile(path):
                self.file_backend.remove(path)


def _check_name(template: str | None) -> None:
    """Refuse a template with which checkpoints would overwrite each other."""
    if template is None:
        return
    try:
        is_numbered = template.format(1) != template.format(2)
    except (LookupError, ValueError):
        is_numbered = False
    if not is_numbered or os.path.basename(template) != template:
        raise ValueError(
            'CheckpointHook expects a filename_tmpl with one {} for the '
            f'number and no folder, such as epoch_{{}}.pth, but got '
            f'{template!r}.'
        )
