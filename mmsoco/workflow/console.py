"""Print the steps of a run, with a progress bar for the current one.

On a terminal, the current step has a progress bar of `rich`; elsewhere it
prints a plain line from time to time, so that a log stays readable.
"""

import contextlib
import math
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from mmsoco.utils.durations import describe_time
from mmsoco.utils.logs import off_console

# Seconds between two lines of progress if the output is not a terminal.
LINE_SECONDS = 30.0
# Between two drawings of the bar, each of which takes half a millisecond:
# thousands of pictures may be done in a second.
_DRAW_SECONDS = 0.1
_NAME_WIDTH = 11


class Console:
    """Print a run's steps.

    Args:
        steps: Number of steps.
        stream: Where to print; standard output by default.

    Attributes:
        log_folder: Where errors may leave their traceback: the logs of the
            run, once a call has begun or continued one; before that None.
    """

    def __init__(self, steps: int = 1, stream: TextIO | None = None) -> None:
        self.steps = steps
        self.log_folder: Path | None = None
        self.stream = stream or sys.stdout
        self._live: Progress | None = None

    def step(self, number: int, name: str, text: str) -> None:
        """Print the result of a step, or its plan."""
        self._print(f'[{number}/{self.steps}] {name:<{_NAME_WIDTH}} {text}')

    def detail(self, name: str, text: str) -> None:
        """Print a line that belongs to the current step."""
        self._print(f'      {name:<{_NAME_WIDTH}} {text}')

    def line(self, text: str) -> None:
        """Print a line unchanged."""
        self._print(text)

    @contextlib.contextmanager
    def progress(self, name: str, total: int) -> Iterator['Progress']:
        """Show a progress bar.

        Args:
            name: Name of the current task.
            total: Number of its parts, such as pictures or iterations.
        """
        progress: Progress
        with contextlib.ExitStack() as stack:
            if self.stream.isatty():
                progress = stack.enter_context(_bar(self.stream, name, total))
            else:
                progress = _Lines(self, name, total)
            self._live = progress
            try:
                yield progress
            finally:
                self._live = None

    def _print(self, text: str) -> None:
        if isinstance(self._live, _Bar):
            self._live.print(text)
        else:
            print(text, file=self.stream, flush=True)


class Progress(ABC):
    """A step's progress.

    Args:
        total: Number of its parts.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0
        self._begun: tuple[int, float] | None = None

    def update(
        self, number: int, text: str = '', name: str | None = None
    ) -> None:
        """Report progress.

        Args:
            number: How many more parts are done.
            text: Text next to the bar.
            name: Name of the current task, if it has changed.
        """
        self.done += number
        self.show(text, name)

    def reach(self, done: int) -> None:
        """Report how many parts are done, with the speed and the time left.

        Args:
            done: Number of parts. The first call gives those that an earlier
                run has done, which do not count for the speed.
        """
        now = time.monotonic()
        text = f'{done} of {self.total}'
        if self._begun is None:
            self._begun = done, now
        first, start = self._begun
        if done > first and now > start:
            rate = (done - first) / (now - start)
            left = describe_time((self.total - done) / rate)
            text += f'   {rate:.3g}/s   {left} left'
        self.update(done - self.done, text)

    @abstractmethod
    def show(self, text: str, name: str | None = None) -> None:
        """Show a text next to the bar; see `update`."""


class _Lines(Progress):
    """Plain lines, at most every `LINE_SECONDS`."""

    def __init__(self, console: Console, name: str, total: int) -> None:
        super().__init__(total)
        self._console = console
        self._name = name
        # A task of one part says nothing more until it is done.
        self._last = -math.inf if total == 1 else time.monotonic()

    def show(self, text: str, name: str | None = None) -> None:
        """Print the text as a line, if the last one is old enough."""
        self._name = name or self._name
        now = time.monotonic()
        if now - self._last >= LINE_SECONDS and self.done < self.total:
            self._last = now
            shown = text or f'{self.done} of {self.total}'
            self._console.detail(self._name, shown)


class _Bar(Progress):
    """A bar of `rich`."""

    def __init__(self, bar: Any, name: str, total: int) -> None:
        super().__init__(total)
        self._bar = bar
        self._task = bar.add_task(name, total=total, text='')
        self._drawn = -math.inf

    def show(self, text: str, name: str | None = None) -> None:
        """Write the text next to the bar."""
        named = {} if name is None else {'description': name}
        self._bar.update(self._task, completed=self.done, text=text, **named)
        now = time.monotonic()
        if now - self._drawn >= _DRAW_SECONDS:
            self._drawn = now
            self._bar.refresh()

    def print(self, text: str) -> None:
        """Print a line above the bar."""
        self._bar.console.print(text, markup=False, highlight=False)


@contextlib.contextmanager
def _bar(stream: TextIO, name: str, total: int) -> Iterator[_Bar]:
    from rich.console import Console as RichConsole
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn(f'      {{task.description:<{_NAME_WIDTH}}}'),
        BarColumn(bar_width=20),
        TaskProgressColumn(),
        TextColumn('{task.fields[text]}', markup=False),
    )
    screen = RichConsole(file=stream)
    # Without the thread that refreshes, because the generator forks.
    with RichProgress(
        *columns, console=screen, transient=True, auto_refresh=False
    ) as bar:
        yield _Bar(bar, name, total)


@contextlib.contextmanager
def quiet_log() -> Iterator[None]:
    """Silence the log of building models and data sets on the console."""
    from mmengine.logging import MMLogger  # late, because it is slow to import

    with off_console(MMLogger.get_current_instance()):
        yield
