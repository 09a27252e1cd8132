"""Stop a training in order at Ctrl-C, SIGTERM or SIGHUP."""

import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any

from mmsoco.utils.termination import ENDING

_SIGNALS = (signal.SIGINT, *ENDING)


class StoppedError(KeyboardInterrupt):
    """A training was stopped by Ctrl-C; the message says how to resume."""


class Interruption:
    """Note a first Ctrl-C, SIGTERM or SIGHUP, to finish the iteration.

    A second Ctrl-C raises `KeyboardInterrupt` at once. Slurm and torchrun
    send SIGTERM, also after a Ctrl-C of the user's, and a closed terminal
    SIGHUP: they never cut short what the first signal has begun.

    Attributes:
        requested: The first signal, or None.
    """

    def __init__(self) -> None:
        self.requested: signal.Signals | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> 'Interruption':
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                # A signal that is ignored (nohup) stays ignored.
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.requested is None:
            self.requested = signal.Signals(number)
            if number == signal.SIGINT:
                print(
                    '\nStopping after this iteration; press Ctrl-C again to '
                    'stop at once.',
                    file=sys.stderr,
                    flush=True,
                )
        elif number == signal.SIGINT:
            raise KeyboardInterrupt
