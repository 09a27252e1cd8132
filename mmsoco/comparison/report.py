"""Writes the report of comparisons as HTML and as Markdown.

    python -m mmsoco.comparison.report RECORDS... [--html FILE]
        [--markdown FILE]

RECORDS are folders that ``mmsoco compare`` filled. Nothing else is read.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mmsoco.utils.files import atomic_path, write_text
from mmsoco.visualization.report import templates

from . import analysis, figures
from .analysis import Correlation, Results, Row
from .statistics import LEAST_CELLS, Difference, verdict

if TYPE_CHECKING:
    from jinja2 import Environment

NONE = '-'
_DIGITS = 12


@dataclass(frozen=True)
class Table:
    """A table of plain text.

    Attributes:
        title: Its heading.
        header: Names of the columns.
        rows: Cells.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Chapter:
    """What the report says of one plan.

    Attributes:
        name: Short name, part of the pictures' names.
        title: Heading.
        answer: The answer in sentences.
        facts: Further sentences.
        tables: The tables.
        pictures: SVG documents by name.
        captions: A caption for each picture, by the same names.
        provenance: What the numbers come from, line by line.
    """

    name: str
    title: str
    answer: tuple[str, ...]
    facts: tuple[str, ...]
    tables: tuple[Table, ...]
    pictures: dict[str, bytes]
    captions: dict[str, str]
    provenance: tuple[str, ...]


def chapter(results: Results, folder: Path) -> Chapter:
    """Turn results into text, tables and pictures."""
    plan = results.plan
    tables = []
    for labels in results.budgets:
        rows = results.at(labels)
        tables.append(
            Table(f'Box AP with {labels} labels', AP_HEADER, _ap_rows(rows))
        )
        if any(row.records or row.pretrainings for row in rows):
            title = f'Costs with {labels} labels'
            tables.append(Table(title, COST_HEADER, _costs(rows)))
            tables.append(_details(results, rows, labels))
    correlations = _correlations(results)
    if correlations.rows:
        tables.append(correlations)
    return Chapter(
        name=plan['name'],
        title=plan['title'] or plan['name'],
        answer=tuple(answer(results)),
        facts=tuple(_facts(results)),
        tables=tuple(tables),
        pictures=_pictures(results),
        captions=dict(
            labels='AP over the number of labelled pictures. A dot is one '
            'seed, the line the mean, the band one standard deviation.',
            intervals='Difference of each start to training from scratch '
            'with the same labels and seeds.',
        ),
        provenance=tuple(_provenance(results, folder)),
    )


def _pictures(results: Results) -> dict[str, bytes]:
    """Draw what there is to draw."""
    pictures = {}
    if any(row.records for row in results.rows):
        pictures['labels'] = figures.label_curve(results)
    if any(row.to_scratch for row in results.rows):
        pictures['intervals'] = figures.interval_plot(results)
    return pictures


def answer(results: Results, start: str = 'soco') -> list[str]:
    """Say for each label budget whether a start helps.

    Args:
        results: The results.
        start: Name of the start; where the plan has none, the last start.
    """
    names = [s['name'] for s in results.plan['starts']]
    start = start if start in names else names[-1]
    sentences = []
    for labels in results.budgets:
        row = results.row(start, labels)
        if row is None or not row.records:
            sentences.append(f'With {labels} labels: not run.')
            continue
        parts = [
            f'against {_named(results, results.scratch)}: '
            f'{_verdict(row.to_scratch)}'
        ]
        if row.to_best is not None:
            best = _named(results, results.best[labels])
            parts.append(
                f'against the best image-level method, {best}: '
                f'{_verdict(row.to_best)}'
            )
        sentences.append(
            f'With {labels} labels, {row.label} ' + '; '.join(parts) + '.'
        )
    return [*sentences, *analysis.fewer_labels(results, start)]


def _named(results: Results, name: str) -> str:
    """Return a start's name for readers."""
    names = {
        s['name']: s['title'] or s['name'] for s in results.plan['starts']
    }
    return names[name]


def _verdict(difference: Difference | None) -> str:
    return verdict(difference) if difference else 'no pair yet'


AP_HEADER = (
    'start', 'n', 'AP', 'AP50', 'AP75', 'to scratch', 'p',
    'to best image-level', 'against scratch',
)  # fmt: skip


def _ap_rows(rows: Sequence[Row]) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (
            row.label,
            _count(row),
            _mean_sd(row),
            _number(row.mean('AP50')),
            _number(row.mean('AP75')),
            _interval(row.to_scratch),
            _number(row.to_scratch and row.to_scratch.p, 3),
            _interval(row.to_best),
            _row_verdict(row),
        )
        for row in rows
    )


def _row_verdict(row: Row) -> str:
    words = []
    if row.to_scratch is not None:
        words.append(verdict(row.to_scratch))
    elif not row.records:
        words.append('not run')
    return '; '.join([*words, *(f'FAILED {f}' for f in row.failures)]) or NONE


def _count(row: Row) -> str:
    return f'{len(row.records)} of {row.planned}'


def _mean_sd(row: Row) -> str:
    if row.summary is None:
        return NONE
    spread = '' if row.summary.sd is None else f' ± {row.summary.sd:.2f}'
    return f'{row.summary.mean:.2f}{spread}'


def _interval(difference: Difference | None) -> str:
    if difference is None:
        return NONE
    text = f'{difference.mean:+.2f}'
    if difference.low is None:
        return f'{text} ({difference.n} pairs: no interval)'
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
    'start', 'rate trials', 'pretraining pictures', 'pretraining minutes',
    'fine-tuning steps', 'fine-tuning minutes', 'tensors that arrived',
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


def _facts(results: Results) -> list[str]:
    plan = results.plan
    facts = [plan['notes'], plan['data']['source'], plan['tuning']]
    facts += results.content['notes']
    for row in results.rows:
        facts += [f'{row.label}, {row.labels} labels: {n}' for n in row.notes]
        if row.start['tier'] > 1 and not row.records:
            facts.append(f'{row.label}, {row.labels} labels: not run.')
    return [fact for fact in dict.fromkeys(facts) if fact]


def _provenance(results: Results, folder: Path) -> list[str]:
    content = results.content
    cells = results.done
    lines = [
        f'command: {content["command"]}',
        f'cells: {len(cells)} of {results.planned} done',
        *(
            f'data: {name} {content["hashes"][name][:_DIGITS]} (SHA-256)'
            for name in ('labels', 'val_labels', 'pictures')
        ),
    ]
    old = analysis.superseded(folder, content)
    if old:
        lines.append(f'records of earlier states of the plan, not used: {old}')
    for name in ('versions', 'processor', 'gpu', 'system'):
        values = sorted(
            {
                record.machine.get(name, getattr(record, name, ''))
                for record in cells
            }
        )
        lines += [f'{name}: {value}' for value in values if value]
    dates = sorted(record.machine.get('date', '') for record in cells)
    if dates:
        lines.append(f'made: {dates[0]} to {dates[-1]}')
    return lines


def _environment(escape: bool) -> 'Environment':
    # Markdown has no markup to break out of: its cells are cleaned instead.
    environment = templates('mmsoco.comparison', '', escape)
    environment.filters['cell'] = _markdown_cell
    return environment


def _markdown_cell(text: str) -> str:
    """Keep a text within its cell of a Markdown table."""
    return ' '.join(str(text).split()).replace('|', r'\|').replace('<', '&lt;')


def render_markdown(chapters: Sequence[Chapter], pictures: str) -> str:
    """Render the report as Markdown.

    Args:
        chapters: One for each plan.
        pictures: Folder of the pictures, relative to the file.
    """
    template = _environment(escape=False).get_template('report.md')
    return template.render(chapters=chapters, pictures=pictures)


def render_html(chapters: Sequence[Chapter], title: str) -> str:
    """Render the report as a page that needs no other file."""
    template = _environment(escape=True).get_template('report.html')
    from markupsafe import Markup

    inline = {
        (chapter.name, name): Markup(_without_declaration(svg))
        for chapter in chapters
        for name, svg in chapter.pictures.items()
    }
    return template.render(chapters=chapters, title=title, inline=inline)


def _without_declaration(svg: bytes) -> str:
    text = svg.decode('utf-8')
    return text[text.index('<svg') :]


def write_report(
    folders: Sequence[Path], html: Path | None, markdown: Path | None
) -> list[Chapter]:
    """Write the report of one or more plans.

    Args:
        folders: Folders of records.
        html: Page to write.
        markdown: Markdown file to write; its pictures go to a folder of its
            name beside it.

    Returns:
        The chapters.

    Raises:
        FileNotFoundError: A folder has no records of a plan.
        ValueError: A record is damaged.
    """
    chapters = [chapter(analysis.read_results(f), f) for f in folders]
    if html is not None:
        title = ', '.join(c.title for c in chapters)
        write_text(html, render_html(chapters, title))
    if markdown is not None:
        folder = markdown.with_suffix('')
        for part in chapters:
            for name, svg in part.pictures.items():
                path = folder / f'{part.name}-{name}.svg'
                with atomic_path(path) as partial:
                    partial.write_bytes(svg)
        write_text(markdown, render_markdown(chapters, folder.name))
    return chapters


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('records', nargs='+', type=Path)
    parser.add_argument('--html', type=Path, help='page to write')
    parser.add_argument('--markdown', type=Path, help='Markdown to write')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the report; return the exit status."""
    args = parse_args(argv)
    try:
        chapters = write_report(args.records, args.html, args.markdown)
    except (OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    for part in chapters:
        print('\n'.join([part.title, *part.answer]))
    return 0


if __name__ == '__main__':
    sys.exit(main())
