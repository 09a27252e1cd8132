"""Which sample comes when, and from which numbers it is drawn."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, SupportsIndex, overload

from mmengine.dataset import DefaultSampler

from mmsoco.registry import DATA_SAMPLERS


class SampleKey(int):
    """All that a sample depends on, besides the data; an index with more.

    It is the image's place as an integer, so that mmengine's wrappers of
    datasets compute with it: what they make of it is the place within the
    wrapped dataset, and still has seed, epoch and draw.

    Args:
        seed: The run's seed, at least 0.
        epoch: The epoch, counted from 0.
        index: The image's place in the dataset.
        draw: The place that the sampler drew, ``index`` by default. It
            differs from it within a wrapper, where one image has several
            places; each place draws its own views.
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
        """What the sample's generator is seeded with."""
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
    """The places of a wrapper in its dataset, for keys as for integers."""

    @overload
    def __getitem__(self, key: SupportsIndex) -> int: ...

    @overload
    def __getitem__(self, key: slice) -> list[int]: ...

    def __getitem__(self, key: SupportsIndex | slice) -> int | list[int]:
        if isinstance(key, SampleKey):
            return key.at(super().__getitem__(key))
        return super().__getitem__(key)


def let_keys_through(dataset: Any) -> None:
    """Let keys through mmengine's wrappers that look places up.

    ``ClassBalancedDataset`` keeps a list of places, which would turn a key
    into a plain integer: the views of an image were the same in all epochs.
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

    def __init__(self, dataset: Any, *args: Any, **kwargs: Any) -> None:
        let_keys_through(dataset)
        super().__init__(dataset, *args, **kwargs)

    def __iter__(self) -> Iterator[SampleKey]:
        """Yield the keys of this rank's samples in this epoch."""
        for index in islice(super().__iter__(), self.skip, None):
            yield SampleKey(self.seed, self.epoch, index)
