"""Extend mmengine's runner: train on CPUs, and survive a kill."""

import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.device import get_device, is_cuda_available
from mmengine.dist import is_distributed, is_main_process
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.model import revert_sync_batchnorm
from mmengine.optim import OptimWrapper
from mmengine.runner import BaseLoop
from torch import distributed, nn
from torch.utils.data import DataLoader

from mmsoco.checkpoints.guard import tensors_only
from mmsoco.checkpoints.io import run_types
from mmsoco.engine.checkpointing import FinishedError
from mmsoco.engine.checks import check_training
from mmsoco.engine.data_workers import shield_workers
from mmsoco.engine.hooks.finite_hook import FiniteHook
from mmsoco.engine.hooks.input_convention_hook import InputConventionHook
from mmsoco.engine.hooks.load_report_hook import LoadReportHook
from mmsoco.engine.loader_checks import refuse_fixed_views
from mmsoco.engine.loops import own_loop
from mmsoco.engine.optimizers.finite_steps import guard_steps
from mmsoco.engine.optimizers.trained_parameters import (
    fixed_tensors,
    with_constructor,
)
from mmsoco.engine.run_record import batch_size_of
from mmsoco.engine.stopping import StoppableRunner
from mmsoco.engine.work_dir import claimed, clear
from mmsoco.registry import RUNNERS
from mmsoco.utils.logs import off_console
from mmsoco.utils.processes import die_with_parent

# How mmengine warns of classes that it uses itself to save checkpoints.
_OWN_WARNINGS = ('"FileClient" will be', '"HardDiskBackend" is')
# Hooks of every run, by their names among the default hooks.
_CHECKS: dict[str, type[Hook]] = {
    'finite': FiniteHook,
    'load_report': LoadReportHook,
    'input_convention': InputConventionHook,
}
_HOOKS_OF_MMENGINE = (
    'runtime_info', 'timer', 'sampler_seed', 'logger', 'param_scheduler',
    'checkpoint',
)  # fmt: skip
# Of torch's batch norm.
_ONE_VALUE = 'Expected more than 1 value per channel'


@RUNNERS.register_module()
class Runner(StoppableRunner):
    """Train and evaluate what a config describes.

    Beyond mmengine's runner:

    - several CPU processes train together over gloo, and no process outlives
      its launcher;
    - only one training at a time can use a work dir, and it does not overwrite
      an old run there without ``overwrite=True`` in the config;
    - a checkpoint appears under its name only when it is complete, and only
      if its weights are finite;
    - a step that is not finite is skipped, and a run that skips many in a row
      ends;
    - weights are loaded only as data, from any location, and compared with
      the model by `LoadReportHook` and `InputConventionHook`, whatever config
      it runs (``default_hooks.load_report=None`` leaves one out);
    - a resumed run is the same run, see `resume`; at Ctrl-C and SIGTERM, the
      runner finishes the iteration and saves it;
    - mmengine's messages while it builds (environment, config, hooks) go only
      to the log file, which a line on the console names;
    - ``auto_scale_lr`` counts accumulated gradients as batch;
    - on a CPU, synchronized batch norm becomes plain batch norm.
    """

    _may_dump = False
    # Whether the checkpoints of an old run are to be removed.
    _replaces_run = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        with ExitStack() as self._building:
            super().__init__(*args, **kwargs)
        log = Path(self.log_dir, f'{self.timestamp}.log')
        self.logger.info(
            f'{self.model_name}, {self.world_size} x {get_device()}, seed '
            f'{self.seed}. Environment, config and hooks: {log}'
        )

    @classmethod
    def from_cfg(cls, cfg: Config | dict) -> 'Runner':
        """Build the runner of a config.

        Args:
            cfg: the config.

        Returns:
            The runner.

        Raises:
            ValueError: If a setting is out of range.
        """
        check_training(cfg.to_dict() if isinstance(cfg, Config) else cfg)
        return super().from_cfg(cfg)

    def build_logger(
        self, log_level: int | str = 'INFO', *args: Any, **kwargs: Any
    ) -> MMLogger:
        """Build the logger; its console is silent until everything is built.

        Args:
            log_level: the config's ``log_level``.
            args: see mmengine.
            kwargs: see mmengine.

        Returns:
            The logger.
        """
        logger = super().build_logger(log_level, *args, **kwargs)
        logger.addFilter(_concerns_users)
        self._building.enter_context(off_console(logger))
        return logger

    def setup_env(self, env_cfg: dict) -> None:
        """Set up processes and threads.

        Args:
            env_cfg: the config's ``env_cfg``.

        Raises:
            ValueError: If several CPU processes were not started by torchrun.
        """
        if self.distributed:
            die_with_parent()
        if self.distributed and not is_cuda_available():
            _init_gloo(self.launcher, env_cfg.get('dist_cfg', {}))
        super().setup_env(env_cfg)

    def wrap_model(
        self, model_wrapper_cfg: dict | None, model: nn.Module
    ) -> nn.Module:
        """Move the model to its device and wrap it for distributed runs.

        Args:
            model_wrapper_cfg: the config's ``model_wrapper_cfg``.
            model: the model.

        Returns:
            The model, or its wrapper.
        """
        if is_cuda_available() or not self.distributed:
            return super().wrap_model(model_wrapper_cfg, model)
        self.logger.info(
            'Synchronized batch norm needs GPUs: on these CPUs every process '
            'normalizes with the statistics of its own batch.'
        )
        on_cpu = dict(
            type='MMDistributedDataParallel',
            device_ids=None,
            broadcast_buffers=False,
            find_unused_parameters=bool(
                self.cfg.get('find_unused_parameters')
            ),
        )
        sync_bn = self.cfg.pop('sync_bn', None)
        try:
            return super().wrap_model(
                model_wrapper_cfg or on_cpu, revert_sync_batchnorm(model)
            )
        finally:
            # The saved config stays that of the run on GPUs.
            if sync_bn is not None:
                self.cfg.sync_bn = sync_bn

    def build_optim_wrapper(self, optim_wrapper: Any) -> Any:
        """Build the optimizer, which skips steps that are not finite.

        Args:
            optim_wrapper: the config's ``optim_wrapper``.

        Returns:
            The wrapper of the optimizer.
        """
        fixed = fixed_tensors(getattr(self.model, 'module', self.model))
        if fixed:
            counts = ', '.join(f'{n} of {part}' for part, n in fixed.items())
            self.logger.info(f'Tensors that are not trained: {counts}.')
        # A line for each option of each parameter.
        with off_console(self.logger):
            wrapper = super().build_optim_wrapper(
                with_constructor(optim_wrapper)
            )
        return guard_steps(wrapper)

    def register_hooks(
        self,
        default_hooks: dict | None = None,
        custom_hooks: list | None = None,
    ) -> None:
        """Register hooks, and those that check weights and steps.

        Args:
            default_hooks: the config's ``default_hooks``; `FiniteHook` cannot
                be left out.
            custom_hooks: its ``custom_hooks``, in which the others may be.
        """
        given = dict(default_hooks or {})
        given['finite'] = given.get('finite') or {}
        for name, kind in _CHECKS.items():
            hook = given.get(name)
            if isinstance(hook, Mapping):
                given[name] = dict(hook, type=hook.get('type', kind))
        # mmengine takes None for its own hooks alone.
        hooks = {
            name: hook
            for name, hook in given.items()
            if hook is not None or name in _HOOKS_OF_MMENGINE
        }
        super().register_hooks(hooks, custom_hooks)
        for name, kind in _CHECKS.items():
            is_there = any(isinstance(hook, kind) for hook in self.hooks)
            if name not in given and not is_there:
                self.register_hook(kind())

    def scale_lr(
        self, optim_wrapper: OptimWrapper, auto_scale_lr: dict | None = None
    ) -> None:
        """Scale the learning rate with the batch of an optimizer step.

        lr = lr * processes * batch per process * accumulated / base

        Args:
            optim_wrapper: its optimizer's groups are changed.
            auto_scale_lr: ``enable`` and ``base_batch_size``, the batch that
                the config's learning rate is for.
        """
        if not auto_scale_lr or not auto_scale_lr.get('enable', False):
            return
        per_process = self._train_batch_size()
        accumulated = optim_wrapper._accumulative_counts
        batch_size = self.world_size * per_process * accumulated
        ratio = batch_size / auto_scale_lr['base_batch_size']
        groups = optim_wrapper.optimizer.param_groups
        before = groups[0]['lr']
        for group in groups:
            group['lr'] *= ratio
        self.logger.info(
            f'Batch of a step: {batch_size} = {self.world_size} processes x '
            f'{per_process} images x {accumulated} accumulated. Learning '
            f'rate: {groups[0]["lr"]:g} = {before:g} x {batch_size} / '
            f'{auto_scale_lr["base_batch_size"]}.'
        )

    @staticmethod
    def build_dataloader(*args: Any, **kwargs: Any) -> DataLoader:
        """Build a loader whose workers leave stop signals to this process.

        Args:
            args: see mmengine.
            kwargs: see mmengine.

        Returns:
            The loader.
        """
        return shield_workers(
            StoppableRunner.build_dataloader(*args, **kwargs)
        )

    def build_train_loop(self, loop: BaseLoop | dict) -> BaseLoop:
        """Build the training loop with its data.

        Args:
            loop: the config's ``train_cfg``.

        Returns:
            The loop.

        Raises:
            ValueError: If the images do not make one batch, or would have
                the same views in all epochs.
        """
        with tensors_only():
            if isinstance(loop, dict):
                loop = own_loop(loop, self, self._train_dataloader) or loop
            loop = super().build_train_loop(loop)
        if not len(loop.dataloader):
            raise ValueError(
                f'{len(loop.dataloader.dataset)} images do not make one batch '
                f'of {self._train_batch_size()} in each of {self.world_size} '
                'processes. Lower train_dataloader.batch_size.'
            )
        refuse_fixed_views(loop.dataloader)
        return loop

    def _maybe_compile(self, target: str) -> None:
        """Compile the model as ``compile`` in the config says.

        Args:
            target: what mmengine compiles for models without a method
                ``compile_parts``.
        """
        options = self.cfg.get('compile')
        model = self._bare_model
        if not options or not hasattr(model, 'compile_parts'):
            super()._maybe_compile(target)
            return
        model.compile_parts(**(options if isinstance(options, dict) else {}))
        self.logger.info('The layers are compiled: the first steps are slow.')

    def _train_batch_size(self) -> int:
        loader = self._train_dataloader
        if isinstance(loader, dict):
            return loader['batch_size']
        return batch_size_of(loader)

    def build_model(self, model: nn.Module | dict) -> nn.Module:
        """Build the model; weights that it loads are read only as data.

        Args:
            model: the config's ``model``.

        Returns:
            The model.
        """
        with tensors_only():
            return super().build_model(model)

    def _init_model_weights(self) -> None:
        model = self._bare_model
        if self._resume and self._load_from and hasattr(model, 'starts'):
            # The checkpoint has all weights; the file of `SoCo(init=...)`
            # may be gone by now.
            model.starts = []
        with tensors_only():
            super()._init_model_weights()

    def dump_config(self) -> None:
        """Write the config into the work dir, if that is locked."""
        if self._may_dump:
            super().dump_config()

    def train(self) -> nn.Module:
        """Train, with a lock on the work dir.

        Returns:
            The model.

        Raises:
            BlockingIOError: If another training works in the work dir.
            FileExistsError: If an old run is there, and neither ``resume`` nor
                ``overwrite`` is set.
            StoppedError: If the training was stopped; its progress is saved.
            ValueError: If a batch is too small, or too many steps fail.
        """
        claim: AbstractContextManager[None] = nullcontext()
        if is_main_process():
            self._replaces_run = not self._resume and self.cfg.get('overwrite')
            claim = claimed(
                self.work_dir, bool(self._resume or self._replaces_run)
            )
        with claim, self.heeding_stop_signals():
            self._may_dump = True
            self.dump_config()
            try:
                return super().train()
            except FinishedError:
                return self.model
            except ValueError as error:
                if _ONE_VALUE not in str(error):
                    raise
                raise ValueError(
                    f'{error}. Batch norm needs at least two values per '
                    'channel: raise train_dataloader.batch_size, which is '
                    f'{self._train_batch_size()} per process.'
                ) from error

    def call_hook(self, fn_name: str, **kwargs: Any) -> None:
        """Call the hooks; after a step, an old run is removed first.

        Args:
            fn_name: name of the hooks' method.
            kwargs: its arguments.
        """
        if fn_name == 'after_train_iter' and self._replaces_run:
            clear(self.work_dir)  # the new run has made a step
            self._replaces_run = False
        super().call_hook(fn_name, **kwargs)

    def test(self) -> dict:
        """Evaluate the model of ``load_from``, one of our checkpoints."""
        with run_types(), tensors_only():
            return super().test()


def _concerns_users(record: logging.LogRecord) -> bool:
    """Return whether a line of the log is useful to users."""
    return not record.getMessage().startswith(_OWN_WARNINGS)


def _init_gloo(launcher: str, dist_cfg: dict) -> None:
    """Join the CPU processes that torchrun started."""
    if is_distributed():
        return
    if launcher != 'pytorch':
        raise ValueError(
            f'Without a GPU, expected the launcher "pytorch", but got '
            f'"{launcher}". Start the processes with tools/dist_train.sh.'
        )
    timeout = timedelta(seconds=dist_cfg.get('timeout', 1800))
    distributed.init_process_group('gloo', timeout=timeout)
