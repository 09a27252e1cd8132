"""Answer the question of a comparison in sentences: does a start help?"""

from dataclasses import dataclass

from . import analysis
from .results import Results, Row
from .statistics import Difference, verdict

# With fewer pairs, no sign-flip test can reach p = 0.05.
SOLID_PAIRS = 6


def asked_start(results: Results, labels: int | None = None) -> str:
    """Return the start that the answer is about.

    It is the plan's first start that SoCo pretrained, else the last start.
    Starts without a finished fine-tuning come after those that have one.

    Args:
        results: The results.
        labels: A label budget; None for all of them together.
    """
    starts = results.plan['starts']
    pretrained = [s['name'] for s in starts if s['kind'] == 'soco']
    rows = results.rows if labels is None else results.at(labels)
    measured = {row.start['name'] for row in rows if row.records}
    known = [name for name in pretrained if name in measured]
    return [*known, *pretrained, starts[-1]['name']][0]


@dataclass(frozen=True)
class Comparison:
    """The asked start and another one at a label budget.

    Attributes:
        row: The start that is asked about; see `asked_start`.
        other: The start that it is compared with; None if it was not run.
        name: That start's name for readers.
        difference: The paired difference; None without pairs.
    """

    row: Row
    other: Row | None
    name: str
    difference: Difference | None

    @property
    def verdict(self) -> str:
        """The difference in words."""
        if self.difference is None:
            return 'no pair yet'
        text = verdict(self.difference)
        n = self.difference.n
        if self.difference.low is not None and n < SOLID_PAIRS:
            text += f' (95 % interval of {n} pairs: preliminary)'
        return text


def comparisons(results: Results, labels: int) -> list[Comparison]:
    """Compare the asked start with the references of a label budget.

    Returns:
        Comparisons with scratch, with scratch for the time of pretraining
        too, and with the best image-level method, as far as the plan has
        them; none if the asked start was not run.
    """
    row = results.row(asked_start(results, labels), labels)
    if row is None or not row.records:
        return []
    others = [('the start {}', results.scratch, row.to_scratch)]
    if row.to_longer is not None:
        others.append(('the start {}', results.longer, row.to_longer))
    if row.to_best is not None:
        text = 'the best image-level method, {}'
        others.append((text, results.best[labels], row.to_best))
    return [
        Comparison(
            row,
            results.row(name, labels),
            text.format(named(results, name)),
            difference,
        )
        for text, name, difference in others
    ]


def answer(results: Results) -> list[str]:
    """Say for each label budget whether a start helps; see `asked_start`."""
    sentences = []
    for labels in results.budgets:
        found = comparisons(results, labels)
        if not found:
            sentences.append(f'With {labels} labels: not run.')
            continue
        row = found[0].row
        sentence = (
            f'With {labels} labels, {row.label} reaches {_reached(row)}.'
        )
        for entry in found:
            sentence += (
                f' Compared with {entry.name} ({_reached(entry.other)}): '
                f'{entry.verdict}.'
            )
        sentences.append(sentence)
    start = asked_start(results)
    return [*sentences, *analysis.fewer_labels(results, start)]


def _reached(row: Row | None) -> str:
    """Return the mean AP of a start."""
    if row is None or row.summary is None:
        return 'not run'
    return f'{row.summary.mean:.1f} AP'


def named(results: Results, name: str) -> str:
    """Return a start's name for readers."""
    names = {
        s['name']: s['title'] or s['name'] for s in results.plan['starts']
    }
    return names[name]
