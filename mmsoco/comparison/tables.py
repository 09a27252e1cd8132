"""Make the tables of the report as plain text, for HTML and Markdown."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from . import analysis, statistics
from .analysis import Correlation
from .results import ProbeRow, Results, Row
from .statistics import LEAST_CELLS, Difference, Summary, verdict

NONE = '-'


@dataclass(frozen=True)
class Table:
    """A table of plain text.

    Attributes:
        title: Its heading.
        header: Names of the columns.
        rows: Cells.
        note: How to read it.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ''


def all_tables(results: Results) -> tuple[Table, ...]:
    """Return the tables of a plan that have rows."""
    tables = []
    for labels in results.budgets:
        rows = results.at(labels)
        begun = [row for row in rows if row.records or row.failures]
        done = [row for row in rows if row.records]
        tables += [
            Table(
                f'Box AP with {labels} labels',
                *_ap(begun, results),
                note=_not_run([row for row in rows if row not in begun]),
            ),
            Table(f'Costs with {labels} labels', COST_HEADER, _costs(done)),
            _details(results, done, labels),
        ]
    tables += [probe_table(results), _correlations(results)]
    return tuple(table for table in tables if table.rows)


def _ap(rows: Sequence[Row], results: Results) -> tuple[tuple, tuple]:
    """Return header and rows of the table of AP."""
    header: tuple[str, ...] = ('start', 'n', 'AP', 'AP50', 'AP75')
    header += (f'vs. {results.scratch}', 'p')
    cells: list[tuple[str, ...]] = [
        (
            row.label,
            _count(row),
            _mean_sd(row.summary),
            _number(row.mean('AP50')),
            _number(row.mean('AP75')),
            _interval(row.to_scratch),
            _number(row.to_scratch.p if row.to_scratch else None, 3),
        )
        for row in rows
    ]
    if any(row.start['kind'] == analysis.IMAGE_LEVEL for row in rows):
        header += ('vs. best image-level',)
        cells = [
            (*cell, _interval(row.to_best))
            for cell, row in zip(cells, rows, strict=True)
        ]
    header += (f'verdict vs. {results.scratch}',)
    return header, tuple(
        (*cell, _row_verdict(row))
        for cell, row in zip(cells, rows, strict=True)
    )


def _not_run(rows: Sequence[Row]) -> str:
    if not rows:
        return ''
    return f'Not run: {"; ".join(row.label for row in rows)}.'


def _row_verdict(row: Row) -> str:
    words = [] if row.to_scratch is None else [verdict(row.to_scratch)]
    return '; '.join([*words, *(f'FAILED {f}' for f in row.failures)]) or NONE


def _count(row: Row) -> str:
    # Without spaces, a narrow column does not wrap it.
    return f'{len(row.records)}/{row.planned}'


def _mean_sd(summary: Summary | None, digits: int = 2) -> str:
    if summary is None:
        return NONE
    spread = '' if summary.sd is None else f' ± {summary.sd:.{digits}f}'
    return f'{summary.mean:.{digits}f}{spread}'


def _interval(difference: Difference | None) -> str:
    if difference is None:
        return NONE
    text = f'{difference.mean:+.2f}'
    if difference.low is None:
        # Too few pairs for an interval.
        pairs = 'pair' if difference.n == 1 else 'pairs'
        return f'{text} ({difference.n} {pairs})'
    text += f' [{difference.low:+.2f}, {difference.high:+.2f}]'
    if difference.boot_low is not None:
        text += (
            f', bootstrap [{difference.boot_low:+.2f}, '
            f'{difference.boot_high:+.2f}]'
        )
    return text


def _number(value: float | None, digits: int = 2) -> str:
    return NONE if value is None else f'{value:.{digits}f}'


COST_HEADER = (
    'start', 'rates tried', 'pretraining pictures', 'pretraining minutes',
    'fine-tuning steps', 'fine-tuning minutes', 'loaded tensors',
)  # fmt: skip


def _costs(rows: Sequence[Row]) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (
            row.label,
            str(row.start['trials']),
            _thousands(row.cost('pretraining', 'pictures_seen')),
            _minutes(row.cost('pretraining', 'seconds')),
            _thousands(row.cost('finetuning', 'steps')),
            _minutes(row.cost('finetuning', 'seconds')),
            ', '.join(f'{k} {v}' for k, v in sorted(row.loaded.items()))
            or NONE,
        )
        for row in rows
    )


def _thousands(value: float | None) -> str:
    return NONE if value is None else f'{value:,.0f}'


def _minutes(seconds: float | None) -> str:
    return NONE if seconds is None else f'{seconds / 60:.1f}'


def _details(results: Results, rows: Sequence[Row], labels: int) -> Table:
    sizes = ('AP_small', 'AP_medium', 'AP_large')
    header = ('start', 'small', 'medium', 'large', *results.classes)
    cells = tuple(
        (
            row.label,
            *(_number(row.mean(name)) for name in (*sizes, *results.classes)),
        )
        for row in rows
    )
    title = f'AP by size and class with {labels} labels'
    return Table(title, header, cells)


PROBE_HEADER = (
    'start', 'features of', 'n', '20-NN', 'linear', 'linear vs. untrained',
)  # fmt: skip
PROBE_NOTE = (
    'Accuracy, percent: the classes of labeled boxes of training pictures, '
    'read by the 20 nearest neighbors and by a linear classifier before any '
    'fine-tuning. Features that are no better than those of the untrained '
    'network, or than the size and colors of the box, have not learned what '
    'distinguishes these classes.'
)
_CONTROLS = {
    'size': 'size of the box alone',
    'color': 'colors of the box alone',
    'size+color': 'size and colors of the box',
}


def probe_table(results: Results) -> Table:
    """Show the results of the probes together with the controls."""
    made = [row for row in results.probes if row.records]
    rows = [line for row in made for line in _probe_rows(row, results)]
    if made:
        first = made[0]
        rows += [
            ('none', text, NONE, *_accuracies(first, 'controls', name), NONE)
            for name, text in _CONTROLS.items()
        ]
        majority = [r.probe['majority'] for r in first.records.values()]
        share = _mean_sd(_percent(majority), 1)
        rows.append(('none', 'most frequent class', NONE, share, share, NONE))
    return Table('Probe', PROBE_HEADER, tuple(rows), PROBE_NOTE)


def _probe_rows(row: ProbeRow, results: Results) -> list[tuple[str, ...]]:
    modules = next(iter(row.records.values())).probe['modules']
    stages = [name for name in modules if name.startswith('backbone.')]
    parts = (
        ('backbone', max(stages), 'backbone'),
        ('neck', 'neck.own', 'pyramid'),
        ('bbox_head', 'trunk', 'trunk of the box head'),
    )
    return [
        (
            row.start['title'] or row.start['name'],
            text,
            f'{len(row.records)}/{row.planned}',
            *_accuracies(row, 'modules', name),
            _to_untrained(row, name, results),
        )
        for part, name, text in parts
        if name in modules and row.has(part)
    ]


def _accuracies(row: ProbeRow, kind: str, name: str) -> tuple[str, ...]:
    return tuple(
        _mean_sd(_percent(row.scores(kind, name, score).values()), 1)
        for score in ('knn', 'linear')
    )


def _percent(shares: Iterable[float]) -> Summary:
    return statistics.summarize([100 * share for share in shares])


def _to_untrained(row: ProbeRow, name: str, results: Results) -> str:
    """Return the paired difference in accuracy to the untrained network."""
    untrained = results.probes[0]
    if untrained is row or untrained.start['kind'] != 'scratch':
        return NONE
    own, other = (
        {
            seed: 100 * share
            for seed, share in of.scores('modules', name, 'linear').items()
        }
        for of in (row, untrained)
    )
    values = statistics.pairs(own, other)
    return _interval(statistics.paired_difference(values) if values else None)


def _correlations(results: Results) -> Table:
    rows = tuple(
        (
            found.gauge.replace('_', ' '),
            str(found.labels),
            str(found.cells),
            str(found.starts),
            _correlation(found),
        )
        for found in analysis.correlations(results)
    )
    header = (
        'gauge', 'labels', 'cells', 'starts',
        "Spearman's correlation with AP",
    )  # fmt: skip
    return Table('Gauges of pretraining that need no labels', header, rows)


def _correlation(found: Correlation) -> str:
    if found.value is not None:
        return f'{found.value:+.2f}'
    if found.cells < LEAST_CELLS:
        return f'cannot tell: fewer than {LEAST_CELLS} cells'
    return 'cannot tell: all values are equal'
