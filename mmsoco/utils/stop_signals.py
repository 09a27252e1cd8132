"""Signals that ask a process to stop: Ctrl-C, SIGTERM and SIGHUP.

A closed terminal sends SIGHUP; schedulers, containers, `timeout` and `kill`
send SIGTERM, to one process, to its group, to all processes of a job, or to
two of these in turn. Python's own answer is to end at once, without a
`finally`. Here the process that has workers or children answers for all of
them, once: `StopSignals` for itself, `leave_signals_to_parent` in the others.
"""

import errno
import multiprocessing
import os
import signal
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from types import FrameType, TracebackType
from typing import Any

from mmsoco.utils.processes import die_with_parent

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# What comes so soon after the first signal is the same request: `timeout`
# signals its child and then the group, a shell that ends its jobs after the
# kernel did. Two Ctrl-C of one hand are further apart.
_ECHO_SECONDS: dict[int, float] = {signal.SIGINT: 0.1}
_ECHO_OF_SYSTEM = 1.0

Handler = Callable[[int, FrameType | None], object]


class StoppedError(KeyboardInterrupt):
    """A stop signal has ended the work.

    Args:
        text: What was done, or how to continue.
        number: The signal.
    """

    def __init__(self, text: str, number: int = signal.SIGINT) -> None:
        super().__init__(text)
        self.number = number


def raise_stopped(number: int, frame: FrameType | None) -> None:
    """Raise at a stop signal, as Python does at Ctrl-C."""
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise StoppedError(f'ended by {signal.Signals(number).name}', number)


class StopSignals:
    """Answers the first stop signal, and the second one; a context manager.

    Echoes of the first one do nothing. Contexts are nested: what an outer
    one has heard was the first signal of an inner one too, and conversely,
    so that cleaning up is not cut short by an echo. A signal that is ignored
    (nohup) stays ignored.

    Args:
        first: Called with number and frame of the first signal.
        second: Called with those of the second and any further one.

    Attributes:
        requested: The first signal, or None.
    """

    _innermost: 'StopSignals | None' = None

    def __init__(
        self, first: Handler = raise_stopped, second: Handler = raise_stopped
    ) -> None:
        self.requested: signal.Signals | None = None
        self._first = first
        self._second = second
        self._since = 0.0
        self._outer: StopSignals | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> 'StopSignals':
        if threading.current_thread() is not threading.main_thread():
            return self  # signals are not this thread's affair
        self._outer, StopSignals._innermost = StopSignals._innermost, self
        self._agree_with(self._outer)
        for number in STOPPING:
            # None is a handler that is not Python's, and cannot be put back.
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                self._previous[number] = signal.signal(number, self._answer)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if StopSignals._innermost is not self:
            return
        if self._outer is not None:
            self._outer._agree_with(self)
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        StopSignals._innermost = self._outer

    def _agree_with(self, other: 'StopSignals | None') -> None:
        """Take over the first signal that another context has heard."""
        if other is not None and self.requested is None:
            self.requested, self._since = other.requested, other._since

    def _answer(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if number == signal.SIGHUP:
            _leave_dead_terminal()
        if self.requested is None:
            self.requested, self._since = signal.Signals(number), now
            self._first(number, frame)
        elif now - self._since > _ECHO_SECONDS.get(number, _ECHO_OF_SYSTEM):
            self._second(number, frame)


def _leave_dead_terminal() -> None:
    """Write nowhere rather than fail where the terminal is gone."""
    for stream in (1, 2):
        try:
            termios.tcgetattr(stream)
        except termios.error as error:
            if error.args[0] != errno.EIO:  # a file or a pipe
                continue
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream)
            os.close(null)


@contextmanager
def held_back() -> Iterator[None]:
    """Hold stop signals back, here and in the processes that are started.

    These begin with them blocked, so that none can end a process before its
    `leave_signals_to_parent`.
    """
    if multiprocessing.get_start_method() != 'fork':
        # Its first start, by what starts the others, would let them through.
        resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def leave_signals_to_parent() -> None:
    """Let this worker process end with its parent, or when that says so.

    Signals to the group are the parent's to answer: it needs its workers
    until then. Its own SIGTERM, by which torch and Python end workers that
    hang, still ends this process, and nothing can make it an orphan. Call it
    in a process that was started within `held_back`.
    """
    die_with_parent()
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, 'sigwaitinfo'):
        signal.pthread_sigmask(signal.SIG_SETMASK, [signal.SIGTERM])
        threading.Thread(target=_obey_parent, daemon=True).start()
    else:  # macOS: whoever sends SIGTERM is obeyed
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])


def _obey_parent() -> None:
    """End this process when its parent sends SIGTERM, and only then."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # a worker has one
    while signal.sigwaitinfo([signal.SIGTERM]).si_pid != parent.pid:
        pass
    os._exit(0)
