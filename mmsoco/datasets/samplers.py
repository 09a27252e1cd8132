"""Choose the order of samples, and the random numbers that make them."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, SupportsIndex, overload

from mmengine.dataset import DefaultSampler

from mmsoco.registry import DATA_SAMPLERS


class SampleKey(int):
    """An index with everything else that a sample depends on.

    As an integer, it is the image's place, so that mmengine's dataset wrappers
    can compute with it: the result is the place within the wrapped dataset,
    and still has seed, epoch and draw.

    Args:
        seed: The run's seed, at least 0.
        epoch: The epoch, counted from 0.
        index: The image's place in the dataset.
        draw: The place that the sampler drew, ``index`` by default. They
            differ within a wrapper, where an image can have several places,
            each of which gets its own views.
    """

    seed: int
    epoch: int
    draw: int

    def __new__(
        cls, seed: int, epoch: int, index: int, draw: int | None = None
    ) -> 'SampleKey':
        """Make a key."""
        key = super().__new__(cls, index)
        key.seed, key.epoch = int(seed), int(epoch)
        key.draw = int(index if draw is None else draw)
        return key

    @property
    def index(self) -> int:
        """The image's place in the dataset."""
        return int(self)

    @property
    def entropy(self) -> tuple[int, int, int]:
        """The seed of the sample's generator."""
        return self.seed, self.epoch, self.draw

    def at(self, index: int) -> 'SampleKey':
        """Return the key of the same draw at another place."""
        return SampleKey(self.seed, self.epoch, index, self.draw)

    def __add__(self, other: int) -> 'SampleKey':
        return self.at(int(self) + other)

    def __sub__(self, other: int) -> 'SampleKey':
        return self.at(int(self) - other)

    def __mod__(self, other: int) -> 'SampleKey':
        return self.at(int(self) % other)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, SampleKey):
            return self._whole() == other._whole()
        return int(self) == other

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(int(self))

    def _whole(self) -> tuple[int, int, int, int]:
        return self.seed, self.epoch, int(self), self.draw

    def __reduce__(self) -> tuple:
        return SampleKey, self._whole()

    def __repr__(self) -> str:
        return (
            f'SampleKey(seed={self.seed}, epoch={self.epoch}, '
            f'index={int(self)}, draw={self.draw})'
        )


class _Places(list[int]):
    """A wrapper's list of places, which accepts keys and integers."""

    @overload
    def __getitem__(self, key: SupportsIndex) -> int: ...

    @overload
    def __getitem__(self, key: slice) -> list[int]: ...

    def __getitem__(self, key: SupportsIndex | slice) -> int | list[int]:
        if isinstance(key, SampleKey):
            return key.at(super().__getitem__(key))
        return super().__getitem__(key)


def let_keys_through(dataset: Any) -> None:
    """Let keys pass mmengine's wrappers that look up places.

    ``ClassBalancedDataset`` looks up places in a list, which would turn a key
    into a plain integer, and the views of an image would be the same in all
    epochs.
    """
    for inner in (
        getattr(dataset, 'dataset', None),
        *getattr(dataset, 'datasets', ()),
    ):
        if inner is not None:
            let_keys_through(inner)
    places = getattr(dataset, 'repeat_indices', None)
    if isinstance(places, list):
        dataset.repeat_indices = _Places(places)


@DATA_SAMPLERS.register_module()
class EpochIndexSampler(DefaultSampler):
    """Pass seed and epoch to the dataset together with the index.

    The order of the images is that of mmengine's ``DefaultSampler``. Because
    the worker gets the key from the main process, a sample is the same for any
    number of workers (persistent or not), ranks or restarts. mmengine's
    ``DistSamplerSeedHook``, one of its default hooks, sets the epoch.

    Args:
        dataset: The dataset to draw from.
        shuffle: Whether the images come in random order.
        seed: The run's seed, the same on all ranks; drawn if None.
        round_up: Whether all ranks get the same number of samples, some of
            them repeated.

    Attributes:
        skip: Samples of this rank to leave out at the start of an epoch,
            since they were seen before the run was resumed.
    """

    skip = 0

    def __init__(self, dataset: Any, *args: Any, **kwargs: Any) -> None:
        let_keys_through(dataset)
        super().__init__(dataset, *args, **kwargs)

    def __iter__(self) -> Iterator[SampleKey]:
        """Yield the keys of this rank's samples in this epoch."""
        for index in islice(super().__iter__(), self.skip, None):
            yield SampleKey(self.seed, self.epoch, index)
