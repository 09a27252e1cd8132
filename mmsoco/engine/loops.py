"""Training loops."""

from collections.abc import Iterable, Iterator
from typing import Any

from mmengine.runner import BaseLoop, Runner
from mmengine.runner import EpochBasedTrainLoop as MMEngineEpochBasedTrainLoop
from mmengine.runner import IterBasedTrainLoop as MMEngineIterBasedTrainLoop
from torch.utils.data import DataLoader

from mmsoco.datasets.samplers import EpochIndexSampler
from mmsoco.engine.rng import seed_iteration
from mmsoco.engine.run_record import batch_size_of
from mmsoco.engine.values import check_whole
from mmsoco.registry import LOOPS


def epochs_for(
    num_samples: int, num_images: int, min_epochs: int, max_epochs: int
) -> int:
    """Return how many epochs of a data set make a number of samples.

    Args:
        num_samples: samples that the run should see.
        num_images: images of the data set, at least 1.
        min_epochs: fewest epochs.
        max_epochs: most epochs; takes precedence over ``min_epochs``.

    Returns:
        ``num_samples / num_images``, rounded, within the limits.
    """
    epochs = round(num_samples / num_images)
    return min(max(epochs, min_epochs), max_epochs)


class SeededBatches:
    """Seed all random generators before each batch.

    The random numbers of an iteration, in its batch and in its step, depend
    only on the run's seed and the number of the iteration.

    Args:
        runner: the runner, for its seed.
        batches: what gives the batches.

    Attributes:
        iteration: number of the iteration of the next batch.
    """

    def __init__(self, runner: Runner, batches: Iterable) -> None:
        self.runner = runner
        self.iteration = 0
        self._batches = iter(batches)

    def __iter__(self) -> Iterator:
        return self

    def __next__(self) -> Any:
        seed_iteration(self.runner.seed, self.iteration)
        self.iteration += 1
        return next(self._batches)


@LOOPS.register_module()
class EpochBasedTrainLoop(MMEngineEpochBasedTrainLoop):
    """mmengine's epoch-based loop, which can be resumed within an epoch.

    In the scope ``mmsoco`` it takes the place of mmengine's loop of the same
    name.

    Args:
        runner: the runner.
        dataloader: the data, or its config.
        max_epochs: epochs of the run.
        kwargs: further arguments of mmengine's loop.

    Raises:
        ValueError: If a length or an interval is not a whole number of at
            least 1.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader | dict,
        max_epochs: int,
        **kwargs: Any,
    ) -> None:
        check_whole('train_cfg.max_epochs', max_epochs)
        if 'val_interval' in kwargs:
            check_whole('train_cfg.val_interval', kwargs['val_interval'])
        super().__init__(runner, dataloader, max_epochs, **kwargs)
        self._done = 0

    def stand_at(self, epoch: int, iters: int) -> None:
        """Let the loop continue from a position.

        Args:
            epoch: epochs that were ended.
            iters: iterations made, of the whole run.
        """
        self._epoch = epoch
        self._iter = iters
        self._done = iters - epoch * len(self.dataloader)

    def run_epoch(self) -> None:
        """Run the iterations of an epoch, or the rest of it."""
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        for idx, data_batch in self._rest_of_epoch():
            self.run_iter(idx, data_batch)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1

    def _rest_of_epoch(self) -> Iterator[tuple[int, Any]]:
        """Yield the batches that are left, with their number."""
        done, self._done = self._done, 0
        sampler = self.dataloader.sampler
        # Samples that depend only on their key are not made if they are
        # skipped; others are, since they advance the state of generators.
        can_skip = isinstance(sampler, EpochIndexSampler)
        if can_skip:
            sampler.skip = done * batch_size_of(self.dataloader)
        batches = SeededBatches(self.runner, self.dataloader)
        batches.iteration = self._iter - (0 if can_skip else done)
        try:
            for idx, data_batch in enumerate(batches, done if can_skip else 0):
                if idx >= done:
                    yield idx, data_batch
        finally:
            if can_skip:
                sampler.skip = 0


@LOOPS.register_module()
class IterBasedTrainLoop(MMEngineIterBasedTrainLoop):
    """mmengine's iteration-based loop; a resumed run draws the same numbers.

    In the scope ``mmsoco`` it takes the place of mmengine's loop of the same
    name.

    Args:
        args: see mmengine.
        kwargs: see mmengine.
    """

    dataloader_iterator: Iterable

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A resumed run draws the batches that it has seen again, so the count
        # begins at 0.
        self.dataloader_iterator = SeededBatches(
            self.runner, self.dataloader_iterator
        )


@LOOPS.register_module()
class SampleBudgetTrainLoop(EpochBasedTrainLoop):
    """Train for more epochs if there are fewer images.

    A recipe in epochs makes few steps on a small data set. The length of this
    loop is given in samples, see :func:`epochs_for`. Schedules
    without a length follow the number of epochs.

    Args:
        runner: the runner.
        dataloader: the data, or its config.
        num_samples: samples that the run should see.
        min_epochs: fewest epochs.
        max_epochs: most epochs.
        kwargs: further arguments of mmengine's loop by epochs.

    Raises:
        ValueError: If a length is not a whole number of at least 1.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader | dict,
        num_samples: int,
        min_epochs: int,
        max_epochs: int,
        **kwargs: Any,
    ) -> None:
        check_whole('train_cfg.num_samples', num_samples)
        check_whole('train_cfg.min_epochs', min_epochs)
        super().__init__(runner, dataloader, max_epochs, **kwargs)
        num_images = len(self.dataloader.dataset)
        self._max_epochs = epochs_for(
            num_samples, num_images, min_epochs, max_epochs
        )
        self._max_iters = self._max_epochs * len(self.dataloader)
        runner.logger.info(
            f'{num_images} images: {self._max_epochs} epochs of '
            f'{len(self.dataloader)} iterations.'
        )


# By the names of mmengine's loops and by their classes.
_OWN_LOOPS = {
    name: loop
    for loop in (EpochBasedTrainLoop, IterBasedTrainLoop)
    for name in (loop.__name__, loop.__base__)
}


def own_loop(
    settings: dict, runner: Runner, dataloader: DataLoader | dict
) -> BaseLoop | None:
    """Build mmsoco's loop for a config that asks for mmengine's.

    Args:
        settings: the config's ``train_cfg``.
        runner: the runner.
        dataloader: the data, or its config.

    Returns:
        The loop; None if the config asks for another one.
    """
    options = dict(settings)
    # Left by base configs of mmdet in their parts.
    options.pop('_scope_', None)
    by_epoch = options.pop('by_epoch', None)
    of_kind = {True: 'EpochBasedTrainLoop', False: 'IterBasedTrainLoop'}
    own = _OWN_LOOPS.get(options.pop('type', of_kind.get(by_epoch)))
    if own is None:
        return None
    return own(runner, dataloader=dataloader, **options)
