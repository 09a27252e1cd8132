"""Which sample comes when, and from which numbers it is drawn."""

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from mmengine.dataset import DefaultSampler

from mmsoco.registry import DATA_SAMPLERS


class SampleKey(NamedTuple):
    """All that a sample depends on, besides the data.

    Attributes:
        seed: The run's seed, at least 0.
        epoch: The epoch, counted from 0.
        index: The image's place in the dataset.
    """

    seed: int
    epoch: int
    index: int


@DATA_SAMPLERS.register_module()
class EpochIndexSampler(DefaultSampler):
    """Hand the seed and the epoch to the dataset, with the index.

    The order of the images is that of mmengine's ``DefaultSampler``. Because
    the key travels from the main process to the worker with the index, a
    sample is the same whatever the number of workers (persistent or not),
    ranks or restarts. mmengine's ``DistSamplerSeedHook``, one of its default
    hooks, sets the epoch.

    Args:
        dataset: The dataset to draw from.
        shuffle: Whether the images come in random order.
        seed: The run's seed, the same on all ranks; drawn if None.
        round_up: Whether the ranks get equally many samples, some of them
            twice.

    Attributes:
        skip: Samples of this rank to leave out at the start of an epoch,
            since they were seen before the run was resumed.
    """

    skip = 0

    def __iter__(self) -> Iterator[SampleKey]:
        """Yield the keys of this rank's samples in this epoch."""
        for index in islice(super().__iter__(), self.skip, None):
            yield SampleKey(self.seed, self.epoch, index)
