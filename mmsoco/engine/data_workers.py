"""Shield data workers from the signals that their training handles."""

from collections.abc import Callable
from functools import partial
from typing import Any

from torch.utils.data import DataLoader

from mmsoco.utils.stop_signals import held_back, leave_signals_to_parent


def shield_workers(loader: DataLoader) -> DataLoader:
    """Let the workers of a loader leave stop signals to its process.

    Otherwise, a signal to the process group would kill a worker, whose error
    would end the training before it has saved.

    Args:
        loader: Changed: it gets a class that inherits from its own.

    Returns:
        The loader.
    """
    kind = type(loader)
    if not issubclass(kind, _Shielded):
        loader.worker_init_fn = partial(_begin, loader.worker_init_fn)
        loader.__class__ = type(kind.__name__, (_Shielded, kind), {})
    return loader


class _Shielded(DataLoader):
    """The part of a loader that starts its workers undisturbed."""

    def _get_iterator(self) -> Any:
        # Not all of __iter__: persistent workers may let it wait.
        with held_back():
            return super()._get_iterator()


def _begin(init: Callable[[int], object] | None, worker: int) -> None:
    """Begin as a data worker."""
    leave_signals_to_parent()
    if init is not None:
        init(worker)
