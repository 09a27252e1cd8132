"""Signals that ask a process to stop: Ctrl-C, SIGTERM and SIGHUP.

A closed terminal sends SIGHUP; schedulers, containers, `timeout` and `kill`
send SIGTERM, to one process, to its group, to all processes of a job, or to
two of these in turn. By default, Python ends at once, without running
`finally`. Here, the process that has workers or children handles the signal
once for all of them: `StopSignals` in this process, `leave_signals_to_parent`
in the others.
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
# A signal so soon after the first one is the same request: `timeout` signals
# its child and then the group, and a shell signals its jobs after the kernel
# did. Two Ctrl-C typed by hand are further apart.
_ECHO_SECONDS: dict[int, float] = {signal.SIGINT: 0.1}
_ECHO_OF_SYSTEM = 1.0
# Until a signal during an import is looked at again.
_REPEAT_SECONDS = 0.1

Handler = Callable[[int, FrameType | None], object]


class StoppedError(KeyboardInterrupt):
    """The work was ended by a stop signal.

    Args:
        text: The state of the work, or how to continue.
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
    """Handle the first stop signal and the second one, as a context manager.

    Repetitions of the first one are ignored. In nested contexts, the first
    signal of an outer one is also that of an inner one, and vice versa, so
    that a repetition does not interrupt the cleanup. A signal that is ignored
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
            return self  # only the main thread handles signals
        self._outer, StopSignals._innermost = StopSignals._innermost, self
        self._agree_with(self._outer)
        for number in STOPPING:
            # None is a handler outside of Python, which cannot be restored.
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
        """Take over the first signal of another context."""
        if other is not None and self.requested is None:
            self.requested, self._since = other.requested, other._since

    def _answer(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if _imports_torch(frame):
            _repeat_later(number)
            return
        if number == signal.SIGHUP:
            _leave_dead_terminal()
        if self.requested is None:
            self.requested, self._since = signal.Signals(number), now
            self._first(number, frame)
        elif now - self._since > _ECHO_SECONDS.get(number, _ECHO_OF_SYSTEM):
            self._second(number, frame)


def _imports_torch(frame: FrameType | None) -> bool:
    """Return whether torch is being imported.

    Its C++ part runs Python meanwhile, and aborts the process with a long
    stack if that raises.
    """
    while frame is not None:
        name = frame.f_globals.get('__name__') or ''
        if (
            frame.f_code.co_name == '<module>'
            and name.split('.')[0] == 'torch'
        ):
            return True
        frame = frame.f_back
    return False


def _repeat_later(number: int) -> None:
    """Send this process a signal again in a moment."""
    timer = threading.Timer(_REPEAT_SECONDS, os.kill, (os.getpid(), number))
    timer.daemon = True
    timer.start()


def _leave_dead_terminal() -> None:
    """Discard output instead of failing if the terminal is closed."""
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
    """Block stop signals, here and in the processes that are started.

    These start with blocked signals, so that none can end a process before it
    calls `leave_signals_to_parent`.
    """
    if multiprocessing.get_start_method() != 'fork':
        # The first process would start it otherwise, which unblocks signals.
        resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def leave_signals_to_parent() -> None:
    """Let this worker process end with its parent, or at its request.

    The parent handles signals to the group, and needs its workers until then.
    The parent's own SIGTERM, by which torch and Python end workers that hang,
    still ends this process, and it never outlives its parent. Call this in a
    process that was started within `held_back`.
    """
    die_with_parent()
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, 'sigwaitinfo'):
        signal.pthread_sigmask(signal.SIG_SETMASK, [signal.SIGTERM])
        threading.Thread(target=_obey_parent, daemon=True).start()
    else:  # on macOS, any SIGTERM ends the process
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])


def _obey_parent() -> None:
    """End this process when its parent sends SIGTERM, and only then."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # a worker has one
    while signal.sigwaitinfo([signal.SIGTERM]).si_pid != parent.pid:
        pass
    os._exit(0)
