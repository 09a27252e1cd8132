"""End in good order when the system asks this process to end.

A closed terminal sends SIGHUP; schedulers, containers and `kill` send SIGTERM.
Python's own answer is to end at once, without a `finally`: the training that
a verb has started would be killed with all that it had not saved.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = (signal.SIGTERM, signal.SIGHUP)


class TerminatedError(KeyboardInterrupt):
    """SIGTERM or SIGHUP asked this process to end; it is handled as Ctrl-C.

    Args:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f'ended by {signal.Signals(number).name}')
        self.number = number


@contextmanager
def ending_signals_raise() -> Iterator[None]:
    """Raise `TerminatedError` at SIGTERM and SIGHUP, as Python does at Ctrl-C.

    A signal that is ignored (nohup) or handled by somebody else stays so.
    """
    with _handled_by(_raise, only_default=True):
        yield


@contextmanager
def ending_signals_wait() -> Iterator[None]:
    """Let SIGTERM and SIGHUP not cut short what an earlier one has begun."""
    with _handled_by(_ignore, only_default=False):
        yield


@contextmanager
def _handled_by(
    handler: Callable[[int, FrameType | None], None], only_default: bool
) -> Iterator[None]:
    previous = {}
    if threading.current_thread() is threading.main_thread():
        for number in ENDING:
            before = signal.getsignal(number)
            if before is signal.SIG_DFL or (before and not only_default):
                previous[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)


def _raise(number: int, frame: FrameType | None) -> None:
    raise TerminatedError(number)


def _ignore(number: int, frame: FrameType | None) -> None:
    """Do nothing: unlike SIG_IGN it is not handed on to new programs."""
