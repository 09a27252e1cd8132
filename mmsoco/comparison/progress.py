"""Estimate from the finished cells how long the others will take."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from mmsoco.utils.durations import describe_time

from .cells import PRETRAINING, PROBE, Cell, pretraining_cell
from .plan import Plan
from .records import Record


@dataclass(frozen=True)
class CellState:
    """The state of a cell.

    Attributes:
        name: The cell.
        is_done: Whether it needs no more work.
        error: Why it failed; empty if it did not.
        seconds: Its duration so far, or the estimate; None if unknown.
    """

    name: str
    is_done: bool
    error: str
    seconds: float | None

    def __str__(self) -> str:
        """Return the state as a line of text."""
        time = '' if self.seconds is None else describe_time(self.seconds)
        if self.is_done:
            return f'{self.name:<44} done in {time}'
        about = f', about {time}' if time else ''
        state = f'failed: {self.error}' if self.error else 'to do'
        return f'{self.name:<44} {state}{about}'


def remaining(states: Sequence[CellState]) -> str:
    """Return a line of text that says how much is left to do."""
    left = [state for state in states if not state.is_done]
    text = f'{len(states) - len(left)} of {len(states)} cells done'
    if not left:
        return text
    known = [s.seconds for s in left if s.seconds is not None]
    unknown = len(left) - len(known)
    if known:
        text += (
            f'; {len(known)} more take about {describe_time(sum(known))}, one '
            'after the other at the speed so far'
        )
    if unknown:
        text += f'; {unknown} are unlike any finished cell: time unknown'
    return text


class Forecast:
    """Estimate the duration of a cell from similar finished cells.

    Args:
        plan: The plan.
        records: The records of its cells; failed ones are ignored.
    """

    def __init__(self, plan: Plan, records: Iterable[Record]) -> None:
        self.plan = plan
        self._done = [r for r in records if r.status == 'done']

    def state(self, cell: Cell, record: Record | None) -> CellState:
        """Return the state of a cell, whose record is given if it has one."""
        if record is not None and record.status == 'done':
            return CellState(cell.name, True, record.error, duration(record))
        error = record.error if record else ''
        return CellState(cell.name, False, error, self.seconds(cell))

    def seconds(self, cell: Cell) -> float | None:
        """Estimate a cell's seconds by the speed of finished ones.

        It uses cells of the same start, else those of starts of the same kind,
        else all cells of the same kind; the time is per picture or step, so
        that the lengths may differ.

        Returns:
            Seconds; None if no cell of its kind is finished.
        """
        start = self.plan.start(cell.start)
        if start.time_of is None or cell.kind == PROBE:
            return self._by_length(cell)
        owner = self.plan.owner_of(start.time_of)
        given = self.seconds(pretraining_cell(owner, cell.seed))
        if cell.kind == PRETRAINING:
            return given
        own = self._by_length(cell)
        if own is None or given is None or start.owner:
            return own
        return own + given

    def _by_length(self, cell: Cell) -> float | None:
        relatives = self._relatives(cell)
        if not relatives:
            return None
        rates = [duration(record) / length(record) for record in relatives]
        return float(np.mean(rates)) * self._planned_length(cell)

    def _relatives(self, cell: Cell) -> list[Record]:
        """Return the finished cells that are most like a cell."""
        alike = [r for r in self._done if r.kind == cell.kind]
        kind = self.plan.start(cell.start).kind
        of_kind = [r for r in alike if self.plan.start(r.start).kind == kind]
        of_start = [r for r in of_kind if r.start == cell.start]
        return of_start or of_kind or alike

    def _planned_length(self, cell: Cell) -> int:
        if cell.kind == PRETRAINING:
            return self.plan.samples_of(self.plan.start(cell.start))
        return self.plan.steps_of(cell.labels) if cell.labels else 1


def duration(record: Record) -> float:
    """Return the seconds of a cell.

    The time of the steps is that of all processes of a cell that was stopped;
    the time around the steps is that of its last process.
    """
    return max(record.seconds, record.wall_seconds)


def length(record: Record) -> int:
    """Return the length of a cell: pictures seen, or steps."""
    is_pretraining = record.kind == PRETRAINING
    return (record.pictures_seen if is_pretraining else record.steps) or 1
