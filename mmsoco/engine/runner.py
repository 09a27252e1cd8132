"""mmengine's runner, which also trains on CPUs and survives a kill."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from mmengine.device import is_cuda_available
from mmengine.dist import is_distributed, master_only
from mmengine.model import revert_sync_batchnorm
from mmengine.optim import OptimWrapper
from mmengine.runner import BaseLoop
from mmengine.runner import Runner as MMEngineRunner
from torch import distributed, nn

from mmsoco.checkpoints.io import load, run_types
from mmsoco.registry import RUNNERS
from mmsoco.utils.files import atomic_path


@RUNNERS.register_module()
class Runner(MMEngineRunner):
    """Trains and evaluates what a config describes.

    Beyond mmengine's runner:

    - several CPU processes train together over gloo;
    - a checkpoint appears under its name only when it is complete;
    - a run resumes under torch >= 2.6, and evaluates its own checkpoints;
    - ``auto_scale_lr`` counts accumulated gradients as batch;
    - on a CPU, synchronised batch norm becomes plain batch norm.
    """

    def setup_env(self, env_cfg: dict) -> None:
        """Sets up processes and threads.

        Args:
            env_cfg: the config's ``env_cfg``.

        Raises:
            ValueError: several CPU processes, started by another launcher
                than torchrun.
        """
        if self.distributed and not is_cuda_available():
            _init_gloo(self.launcher, env_cfg.get('dist_cfg', {}))
        super().setup_env(env_cfg)

    def wrap_model(
        self, model_wrapper_cfg: dict | None, model: nn.Module
    ) -> nn.Module:
        """Moves the model to its device and wraps it for distributed runs.

        Args:
            model_wrapper_cfg: the config's ``model_wrapper_cfg``.
            model: the model.

        Returns:
            The model, or its wrapper.
        """
        if is_cuda_available() or not self.distributed:
            return super().wrap_model(model_wrapper_cfg, model)
        self.logger.info(
            'Synchronised batch norm needs GPUs: on these CPUs every process '
            'normalises with the statistics of its own batch.'
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
            self.cfg.sync_bn = sync_bn

    def scale_lr(
        self, optim_wrapper: OptimWrapper, auto_scale_lr: dict | None = None
    ) -> None:
        """Scales the learning rate with the batch of an optimizer step.

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

    def build_train_loop(self, loop: BaseLoop | dict) -> BaseLoop:
        """Builds the training loop with its data.

        Args:
            loop: the config's ``train_cfg``.

        Returns:
            The loop.

        Raises:
            ValueError: the images do not make one batch.
        """
        loop = super().build_train_loop(loop)
        if not len(loop.dataloader):
            raise ValueError(
                f'{len(loop.dataloader.dataset)} images do not make one batch '
                f'of {self._train_batch_size()} in each of {self.world_size} '
                'processes. Lower train_dataloader.batch_size.'
            )
        return loop

    def _maybe_compile(self, target: str) -> None:
        """Compiles the model as ``compile`` in the config says.

        Args:
            target: what mmengine compiles of models that do not say
                themselves what is worth it (``compile_parts``).
        """
        options = self.cfg.get('compile')
        model = getattr(self.model, 'module', self.model)
        if not options or not hasattr(model, 'compile_parts'):
            super()._maybe_compile(target)
            return
        model.compile_parts(**(options if isinstance(options, dict) else {}))
        self.logger.info('The layers are compiled: the first steps are slow.')

    def _train_batch_size(self) -> int:
        loader = self._train_dataloader
        if isinstance(loader, dict):
            return loader['batch_size']
        sampler = loader.batch_sampler
        return loader.batch_size or sampler.batch_size

    @master_only
    def save_checkpoint(
        self, out_dir: str, filename: str, *args: Any, **kwargs: Any
    ) -> None:
        """Saves a checkpoint, which gets its name when it is complete.

        Args:
            out_dir: folder of the checkpoint.
            filename: its name.
            args: see mmengine.
            kwargs: see mmengine.

        Raises:
            OSError: the checkpoint could not be written; a checkpoint that
                was there before is unchanged.
        """
        # What a killed process left of this very checkpoint.
        for partial in Path(out_dir).glob(f'.{filename}.*.part'):
            partial.unlink()
        try:
            with atomic_path(Path(out_dir, filename)) as partial:
                super().save_checkpoint(out_dir, partial.name, *args, **kwargs)
        except OSError as error:
            raise OSError(
                f'{error}. Earlier checkpoints are complete: make room and '
                'continue with --resume.'
            ) from error

    def resume(self, filename: str, *args: Any, **kwargs: Any) -> None:
        """Continues a run of our own from its checkpoint.

        Args:
            filename: the checkpoint.
            args: see mmengine.
            kwargs: see mmengine.
        """
        with run_types():
            super().resume(filename, *args, **kwargs)

    def load_checkpoint(
        self, filename: str, *args: Any, **kwargs: Any
    ) -> dict:
        """Loads weights; files that hold more than data are refused.

        Args:
            filename: a checkpoint.
            args: see mmengine.
            kwargs: see mmengine.

        Returns:
            The checkpoint.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is no checkpoint, or holds other objects
                than tensors and plain values.
        """
        if Path(filename).is_file():
            # Read twice, since the forks of mmengine load a refused file
            # again without any guard.
            try:
                load(filename)
            except ValueError as error:
                raise ValueError(
                    f'{error} To continue a training run use --resume; its '
                    'weights alone are made by '
                    'tools/model_converters/export_detector.py.'
                ) from error
        return super().load_checkpoint(filename, *args, **kwargs)

    def test(self) -> dict:
        """Evaluates the model of ``load_from``, a checkpoint of our own."""
        with run_types():
            return super().test()


def _init_gloo(launcher: str, dist_cfg: dict) -> None:
    """Joins the CPU processes that torchrun started."""
    if is_distributed():
        return
    if launcher != 'pytorch':
        raise ValueError(
            f'Without a GPU, expected the launcher "pytorch", but got '
            f'"{launcher}". Start the processes with tools/dist_train.sh.'
        )
    timeout = timedelta(seconds=dist_cfg.get('timeout', 1800))
    distributed.init_process_group('gloo', timeout=timeout)
