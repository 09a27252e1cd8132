"""Save the checkpoints of a runner, and resume from them."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from mmengine.dist import get_rank, master_only
from mmengine.hooks import EMAHook
from mmengine.model import is_model_wrapper
from mmengine.runner import EpochBasedTrainLoop as MMEngineEpochBasedTrainLoop
from mmengine.runner import Runner as MMEngineRunner
from mmengine.runner.checkpoint import _load_checkpoint
from torch import nn

from mmsoco.checkpoints.guard import (
    describe_not_finite,
    local_path,
    not_finite,
    tensors_only,
)
from mmsoco.checkpoints.integrity import RUN_CHECKSUM, run_sha256
from mmsoco.checkpoints.io import RefusedCheckpointError, run_types
from mmsoco.checkpoints.newest import (
    INTERIM_NAME,
    NOTE_NAME,
    newest_usable,
)
from mmsoco.engine import resuming
from mmsoco.engine.loops import EpochBasedTrainLoop
from mmsoco.engine.resumed_optimizer import group_options, load_optimizer
from mmsoco.engine.resumed_schedules import (
    fast_forward,
    flat_schedulers,
    load_schedulers,
    position,
)
from mmsoco.engine.run_record import KEY, Change, RunRecord, record_run
from mmsoco.utils.files import atomic_path, write_text


class FinishedError(Exception):
    """There is nothing left to train."""


class _NotFiniteError(ValueError):
    """A checkpoint that is about to be written holds NaN or infinity."""


class CheckpointingRunner(MMEngineRunner):
    """The part of `Runner` that saves, loads and resumes.

    Attributes:
        failed_steps: Optimizer steps in a row, up to now, that were not
            taken.
    """

    failed_steps = 0
    _load_from: str | None
    _resume: bool

    @master_only
    def save_interim(self, iters: int) -> bool:
        """Save the run between its checkpoints.

        Args:
            iters: iterations made.

        Returns:
            Whether it is saved: not between accumulated gradients, and not
            while steps fail.
        """
        if not self.optim_wrapper.should_update() or self.failed_steps:
            return False
        self.save_checkpoint(
            self.work_dir,
            INTERIM_NAME,
            meta=dict(epoch=self.epoch, iter=iters),
            by_epoch=False,
        )
        path = Path(self.work_dir, INTERIM_NAME)
        write_text(Path(self.work_dir, NOTE_NAME), str(path))
        return True

    @master_only
    def save_checkpoint(
        self, out_dir: str, filename: str, *args: Any, **kwargs: Any
    ) -> None:
        """Save a checkpoint, which gets its name when it is complete.

        Args:
            out_dir: folder of the checkpoint.
            filename: its name.
            args: see mmengine.
            kwargs: see mmengine.

        Raises:
            OSError: If the checkpoint could not be written; an earlier
                checkpoint of that name is unchanged.
            ValueError: If the weights are not finite.
        """
        meta = dict(kwargs.pop('meta', None) or {})
        meta[KEY] = self._record.to_meta()
        for sampler in self._samplers():
            meta[resuming.SAMPLER_SEED] = int(sampler.seed)
        try:
            with atomic_path(Path(out_dir, filename)) as partial:
                super().save_checkpoint(
                    out_dir, partial.name, *args, meta=meta, **kwargs
                )
        except OSError as error:
            raise OSError(
                f'{error}. Earlier checkpoints are complete: make room and '
                'continue with --resume.'
            ) from error
        except _NotFiniteError as error:
            raise ValueError(
                f'{Path(out_dir, filename)} is not written: {error}. Earlier '
                'checkpoints are unchanged: lower the learning rate '
                '(optim_wrapper.optimizer.lr) and continue with --resume.'
            ) from error

    @cached_property
    def _record(self) -> RunRecord:
        """What this run is made of."""
        return record_run(
            self.cfg, self._bare_model, self.train_dataloader, self.world_size
        )

    @property
    def _bare_model(self) -> nn.Module:
        model = self.model
        return model.module if is_model_wrapper(model) else model

    def load_or_resume(self) -> None:
        """Load the weights or the run that the config names, if any.

        Raises:
            ValueError: If there are checkpoints, but none that can be read.
        """
        if self._resume and self._load_from is None:
            path, passed = newest_usable(self.work_dir)
            for text in passed:
                self.logger.warning(f'Passed over: {text}.')
            if path is None and passed:
                raise ValueError(
                    f'No checkpoint in {self.work_dir} can be read: '
                    f'{"; ".join(passed)}. Start over in another work dir.'
                )
            self._load_from = None if path is None else str(path)
            self._resume = path is not None
        with tensors_only():
            super().load_or_resume()

    def resume(
        self,
        filename: str,
        resume_optimizer: bool = True,
        resume_param_scheduler: bool = True,
        map_location: Any = 'cpu',
    ) -> None:
        """Continue one of our runs from its checkpoint.

        With unchanged settings, the run equals one that was not interrupted.
        If length, rate, batch, processes or images have changed, all schedules
        continue with the new settings from the sample that the run has
        reached.

        Args:
            filename: the checkpoint.
            resume_optimizer: whether the optimizer's state is loaded.
            resume_param_scheduler: whether the schedules continue; if not,
                they start over.
            map_location: see mmengine; the tensors go where the model is.

        Raises:
            ValueError: If the checkpoint is of another kind, or belongs to
                another run.
        """
        with run_types():
            checkpoint = _load_checkpoint(filename, map_location)
        model = self._bare_model
        resuming.check_kind(checkpoint, filename, type(model).__name__)
        meta = checkpoint['meta']
        digest = run_sha256(checkpoint)
        was = RunRecord.from_meta(meta) or self._record
        was.refuse_other_run(self._record)
        self._check_position(meta, filename)
        self._refuse_average(checkpoint, filename)
        self._adopt_seeds(meta)
        self.call_hook('after_load_checkpoint', checkpoint=checkpoint)
        with resuming.part_of(filename, 'state_dict'):
            resuming.load_weights(model, checkpoint['state_dict'], filename)
        changes = was.changes_to(self._record)
        is_same = not any(change.is_scheduled for change in changes)
        self._stand_at(meta, was, is_same)
        with resuming.part_of(filename, 'message_hub'):
            self.message_hub.load_state_dict(checkpoint['message_hub'])
        if resume_optimizer:
            with resuming.part_of(filename, 'optimizer'):
                load_optimizer(
                    self.optim_wrapper,
                    model,
                    checkpoint['optimizer'],
                    filename,
                    None if is_same else group_options(self.optim_wrapper),
                )
        if resume_param_scheduler:
            with resuming.part_of(filename, 'param_schedulers'):
                self._continue_schedules(checkpoint, is_same)
        if meta.get(RUN_CHECKSUM, digest) != digest:
            raise ValueError(
                f'{filename} has been edited since the run wrote it: its '
                'weights, optimizer, schedules or position are others. Resume '
                'an earlier checkpoint (--resume CHECKPOINT); to go on with '
                f'this one nevertheless, remove {RUN_CHECKSUM} from its meta.'
            )
        self._has_loaded = True
        self._report_resume(filename, changes)

    def _refuse_average(self, checkpoint: Mapping, filename: str) -> None:
        """Refuse averaged weights if no hook puts the trained ones back."""
        has_hook = any(isinstance(hook, EMAHook) for hook in self.hooks)
        if 'ema_state_dict' in checkpoint and not has_hook:
            raise ValueError(
                f'The weights of {filename} are a moving average: its run has '
                'the hook EMAHook, and this config has not. Set it in '
                'custom_hooks, or begin a new run from this average '
                '(load_from) in another --work-dir.'
            )

    def _check_position(self, meta: dict, filename: str) -> None:
        """Refuse a number of epochs that contradicts the iterations."""
        if isinstance(self.train_loop, MMEngineEpochBasedTrainLoop):
            record = RunRecord.from_meta(meta)
            length = None if record is None else record.epoch_length
            with resuming.part_of(filename, 'meta'):
                resuming.check_position(meta, length)

    def call_hook(self, fn_name: str, **kwargs: Any) -> None:
        """Call the hooks; check and sign a checkpoint when they are done.

        They may replace its weights, for example by their moving average.

        Args:
            fn_name: name of the hooks' method.
            kwargs: its arguments.

        Raises:
            ValueError: If a tensor of the checkpoint is not finite.
        """
        super().call_hook(fn_name, **kwargs)
        if fn_name == 'before_save_checkpoint':
            checkpoint = kwargs['checkpoint']
            names = not_finite(checkpoint)
            if names:
                raise _NotFiniteError(describe_not_finite(names))
            checkpoint['meta'][RUN_CHECKSUM] = run_sha256(checkpoint)

    def _stand_at(self, meta: dict, was: RunRecord, is_same: bool) -> None:
        """Put the loop at the position of the run."""
        loop, length = self.train_loop, len(self.train_dataloader)
        by_epoch = isinstance(loop, MMEngineEpochBasedTrainLoop)
        epoch, iters = meta['epoch'], meta['iter']
        if not is_same:
            iters = position(iters, was, self._record, by_epoch)
            iters -= iters % self.optim_wrapper._accumulative_counts
            epoch = iters // length if by_epoch else epoch
        if isinstance(loop, EpochBasedTrainLoop):
            loop.stand_at(epoch, iters)
        else:
            loop._epoch, loop._iter = epoch, iters

    def _continue_schedules(self, checkpoint: dict, is_same: bool) -> None:
        if is_same and 'param_schedulers' in checkpoint:
            load_schedulers(
                self.param_schedulers, checkpoint['param_schedulers']
            )
        else:
            fast_forward(
                flat_schedulers(self.param_schedulers),
                self.iter,
                self.epoch,
                len(self.train_dataloader),
            )

    def _adopt_seeds(self, meta: dict) -> None:
        """Continue with the seeds that the run had drawn.

        With ``diff_rank_seed`` each process adds its rank to the seed, and
        the sampler's seed is drawn, the same in all of them.
        """
        seed = meta.get('seed')  # of the first process
        differ = self._randomness_cfg.get('diff_rank_seed', False)
        is_same = self.seed == (seed or 0) + (get_rank() if differ else 0)
        if seed is not None and not is_same:
            self._randomness_cfg.update(seed=seed)
            self.set_randomness(**self._randomness_cfg)
        drawn = meta.get(resuming.SAMPLER_SEED, None if is_same else seed)
        for sampler in self._samplers():
            if drawn is not None:
                sampler.seed = drawn

    def _samplers(self) -> list[Any]:
        """Return the samplers that order the images by a seed."""
        loader = self.train_dataloader
        samplers = (loader.sampler, loader.batch_sampler)
        return [found for found in samplers if hasattr(found, 'seed')]

    def _report_resume(self, filename: str, changes: list[Change]) -> None:
        """Say how far the run is, what has changed, and if it is over."""
        self.logger.info(
            f'Resumed {filename} after {self.iter} of {self.max_iters} '
            f'iterations (epoch {self.epoch} of {self.max_epochs}).'
        )
        if changes:
            self.logger.info(
                'Settings that have changed since:\n'
                + '\n'.join(f'  {change}' for change in changes)
            )
        if self.iter >= self.max_iters:
            done = f'{self.iter} of {self.max_iters} iterations are done'
            if self.iter > self.max_iters:
                done = (
                    f'the checkpoint is at iteration {self.iter}, beyond the '
                    f'end at {self.max_iters}'
                )
            self.logger.info(
                f'This run is finished: {done}. To train longer, raise '
                'train_cfg.max_epochs (or max_iters) and resume it again.'
            )
            raise FinishedError

    def load_checkpoint(
        self, filename: str, *args: Any, **kwargs: Any
    ) -> dict:
        """Load weights, also those of a run; code in files is refused.

        Args:
            filename: a checkpoint.
            args: see mmengine.
            kwargs: see mmengine.

        Returns:
            The checkpoint.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If the file is not a checkpoint, or holds other objects
                than tensors and plain values.
        """
        try:
            with run_types():
                return super().load_checkpoint(
                    local_path(filename), *args, **kwargs
                )
        except RefusedCheckpointError as error:
            raise RefusedCheckpointError(
                f'{error} To continue a training run use --resume; its '
                'weights alone are made by '
                '`mmsoco export`.'
            ) from error
