"""Stop a runner at Ctrl-C and other stop signals, without a loss.

In a distributed training, a signal may reach one process alone, such as one on
the machine that is switched off next. The processes meet in the gradients
only, so they leave word in the store by which they found each other.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from signal import SIGINT, Signals
from sys import stderr
from types import FrameType
from typing import Any

from mmengine.dist import is_main_process
from torch.distributed.distributed_c10d import _get_default_store

from mmsoco.engine.checkpointing import CheckpointingRunner
from mmsoco.utils.stop_signals import (
    StoppedError,
    StopSignals,
    raise_stopped,
)

# Of the store: the number of the signal that a process has heard.
_KEY = 'mmsoco/stop'


class StoppableRunner(CheckpointingRunner):
    """The part of `Runner` that finishes an iteration and saves it.

    Attributes:
        stop_signals: The signals that are heeded; None before the training.
    """

    stop_signals: StopSignals | None = None

    @contextmanager
    def heeding_stop_signals(self) -> Iterator[None]:
        """At a stop signal, finish the iteration, save it, and stop.

        Raises:
            StoppedError: If Ctrl-C stopped the training; it is saved.
            SystemExit: If another signal did.
        """
        # A launcher passes on signals that its ranks have also received, and
        # it ends ranks that take too long.
        second = _ignore if self.distributed else raise_stopped
        self.stop_signals = StopSignals(_announce_at_ctrl_c, second)
        with self.stop_signals:
            try:
                yield
            except RuntimeError:
                if not self.distributed or is_main_process():
                    raise
                number = self.stop_signals.requested or _heard_before_the_end()
                if number is None:
                    raise
                # The main rank has saved and ended.
                raise SystemExit(128 + number) from None

    def call_hook(self, fn_name: str, **kwargs: Any) -> None:
        """Call the hooks, and then stop if a signal asked for it.

        Args:
            fn_name: name of the hooks' method.
            kwargs: its arguments.
        """
        super().call_hook(fn_name, **kwargs)
        if self.stop_signals is None:
            return
        if fn_name == 'after_train_iter':
            done = self.iter + 1
        elif fn_name == 'after_val_iter' and self._train_loop is not None:
            done = self.iter
        else:
            return
        number = self._requested_stop(self.stop_signals.requested)
        # The launcher ends the others when the main process has saved.
        if number is not None and is_main_process():
            self._stop(done, number)

    def _requested_stop(self, own: Signals | None) -> Signals | None:
        """Tell the others of this process's signal, or ask for theirs."""
        if self.distributed and own is not None:
            _get_default_store().set(_KEY, str(int(own)))
        elif self.distributed and is_main_process():
            return _heard_by_any()
        return own

    def _stop(self, iters: int, number: Signals) -> None:
        """Save and end the training, unless gradients are accumulated."""
        if not self.save_interim(iters):
            return
        text = (
            f'Stopped after iteration {iters} of {self.max_iters}; all of it '
            'is saved. Continue with the same command and --resume.'
        )
        self.logger.info(text)
        if number == SIGINT:
            raise StoppedError(text)
        raise SystemExit(128 + number)


def _announce_at_ctrl_c(number: int, frame: FrameType | None) -> None:
    """Say at Ctrl-C that the training will stop."""
    if number == SIGINT and is_main_process():
        print(
            '\nStopping after this iteration; press Ctrl-C again to stop '
            'at once.',
            file=stderr,
            flush=True,
        )


def _ignore(number: int, frame: FrameType | None) -> None:
    """Ignore a signal, without passing that on to child processes."""


def _heard_by_any() -> Signals | None:
    """Return the signal that a process has heard, if any.

    It takes one question to the store, some 0.1 ms, and waits for nobody.
    """
    store = _get_default_store()
    if not store.check([_KEY]):
        return None
    return Signals(int(store.get(_KEY)))


def _heard_before_the_end() -> Signals | None:
    """Return the same where another process has ended meanwhile.

    The store ends with the process that holds it: the launcher, or rank 0.
    """
    try:
        return _heard_by_any()
    except RuntimeError:
        return None
