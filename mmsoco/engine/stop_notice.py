"""Tell the main process of a distributed training that it is to stop.

A signal may reach one process alone, such as one on the machine that is
switched off next. The processes meet in the gradients only, so they leave
word in the store by which they found each other.
"""

from signal import Signals

from torch.distributed.distributed_c10d import _get_default_store

_KEY = 'mmsoco/stop'


def announce(number: Signals) -> None:
    """Tell the other processes which signal this one has heard."""
    _get_default_store().set(_KEY, str(int(number)))


def announced() -> Signals | None:
    """Return the signal that a process has heard, if any.

    It takes one question to the store, some 0.1 ms, and waits for nobody.
    """
    store = _get_default_store()
    if not store.check([_KEY]):
        return None
    return Signals(int(store.get(_KEY)))


def announced_before_the_end() -> Signals | None:
    """Return the same where another process has ended meanwhile.

    The store ends with the process that holds it: the launcher, or rank 0.
    """
    try:
        return announced()
    except RuntimeError:
        return None
