"""Collect the problems of a data set and list them in one table."""

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field

# This many examples of a kind are named; the others are counted.
_MOST_NAMED = 3
# Longer examples, such as names of 5,000 characters, are cut.
_MOST_CHARACTERS = 300
_HEADINGS = ('what happens', 'count', 'what', 'examples')


class Outcome(enum.Enum):
    """How a problem is dealt with, the worst first.

    Attributes:
        STOP: The data set cannot be used in its current state.
        LOST: Something was left out.
        REPAIRED: Something was corrected without a loss.
        NOTE: Nothing was changed.
    """

    STOP = 'stop'
    LOST = 'left out'
    REPAIRED = 'repaired'
    NOTE = 'note'


@dataclass
class Problem:
    """All cases of one kind.

    Attributes:
        outcome: What happens to them.
        what: What is wrong, in the same words for all cases.
        count: How many there are.
        examples: Where the first ones are.
    """

    outcome: Outcome
    what: str
    count: int = 0
    examples: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        named = ', '.join(self.examples)
        if self.count > len(self.examples) and self.examples:
            named += f' and {self.count - len(self.examples)} more'
        return f'{self.what} ({named})' if named else self.what


class Problems:
    """Cases by kind, in the order in which the kinds occurred."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[Outcome, str], Problem] = {}

    def add(self, outcome: Outcome, what: str, where: str = '') -> None:
        """Count one case.

        Args:
            outcome: What happens to it.
            what: What is wrong; cases with the same words count as one kind.
            where: The file or object.
        """
        problem = self._kinds.setdefault(
            (outcome, what), Problem(outcome, what)
        )
        problem.count += 1
        if where and len(problem.examples) < _MOST_NAMED:
            problem.examples.append(shorten(printable(where)))

    def extend(self, others: 'Problems') -> None:
        """Add the cases of another collection."""
        for other in others:
            kind = self._kinds.setdefault(
                (other.outcome, other.what),
                Problem(other.outcome, other.what),
            )
            kind.count += other.count
            free = _MOST_NAMED - len(kind.examples)
            kind.examples += other.examples[:free]

    def count(self, *outcomes: Outcome) -> int:
        """Count the cases with one of some outcomes; all if none are given."""
        return sum(
            p.count for p in self if not outcomes or p.outcome in outcomes
        )

    def of(self, *outcomes: Outcome) -> list[Problem]:
        """Return the kinds with one of some outcomes."""
        return [p for p in self if p.outcome in outcomes]

    def __iter__(self) -> Iterator[Problem]:
        """Yield the kinds, the worst outcome first."""
        order = list(Outcome)
        yield from sorted(
            self._kinds.values(), key=lambda p: order.index(p.outcome)
        )

    def __len__(self) -> int:
        return len(self._kinds)

    def __str__(self) -> str:
        """Return a table with a line per kind; empty without problems."""
        rows = []
        for problem in self:
            more = problem.count - len(problem.examples)
            named = ', '.join(problem.examples)
            if problem.examples and more:
                named += f', and {more} more'
            rows.append(
                (problem.outcome.value, problem.count, problem.what, named)
            )
        return table(_HEADINGS, rows) if rows else ''


def table(headings: tuple[str, ...], rows: list[tuple]) -> str:
    """Lay out text in columns, numbers to the right.

    Args:
        headings: A heading per column.
        rows: One value per column each.

    Returns:
        Indented lines without trailing blanks.
    """
    texts = [[_cell(value) for value in row] for row in (headings, *rows)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    numeric = [
        all(isinstance(row[i], int) for row in rows)
        for i in range(len(headings))
    ]
    lines = [
        '  '.join(
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, numeric, strict=True)
        )
        for line in texts
    ]
    return '\n'.join('  ' + line.rstrip() for line in lines)


def _cell(value: object) -> str:
    """Return a value as text in one line, without codes for the terminal."""
    return ''.join(
        c if c.isprintable() else c.encode('unicode_escape').decode()
        for c in str(value)
    )


def shorten(text: str) -> str:
    """Return a text that leaves a table readable, its middle cut out."""
    half = _MOST_CHARACTERS // 2
    if len(text) <= _MOST_CHARACTERS:
        return text
    return f'{text[:half]}...{text[-half:]}'


def printable(name: str) -> str:
    """Return a file's name in a form that can be printed and stored."""
    return name.encode('utf-8', 'backslashreplace').decode()
