"""Write the report of comparisons as HTML and as Markdown.

    python -m mmsoco.comparison.report RECORDS... [--html FILE]
        [--markdown FILE] [--figure FILE]

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
from .answers import answer, asked_start, named
from .results import Results
from .tables import Table, all_tables

if TYPE_CHECKING:
    from jinja2 import Environment

_DIGITS = 12
# Endings of the picture for a README.
FIGURES = ('svg', 'png')


@dataclass(frozen=True)
class Chapter:
    """What the report says about one plan.

    Attributes:
        name: Short name, part of the pictures' names.
        title: Heading.
        answer: The answer in sentences.
        progress: How many of the cells are done; empty if all are.
        facts: Further sentences.
        tables: The tables.
        pictures: SVG documents by name.
        captions: A caption for each picture, by the same names.
        provenance: What the numbers come from, line by line.
    """

    name: str
    title: str
    answer: tuple[str, ...]
    progress: str
    facts: tuple[str, ...]
    tables: tuple[Table, ...]
    pictures: dict[str, bytes]
    captions: dict[str, str]
    provenance: tuple[str, ...]


def chapter(results: Results, folder: Path) -> Chapter:
    """Turn results into text, tables and pictures."""
    plan = results.plan
    return Chapter(
        name=plan['name'],
        title=plan['title'] or plan['name'],
        answer=tuple(answer(results)),
        progress=progress(results),
        facts=tuple(_facts(results)),
        tables=all_tables(results),
        pictures=_pictures(results),
        captions=dict(
            labels=_curve_caption(results),
            intervals='Difference between each start and the start '
            f'{named(results, results.scratch)}, with the same labels and '
            'seeds. Dots are pairs, the diamond is their mean, and the line '
            'is its 95 % interval (for three or more pairs).',
        ),
        provenance=tuple(_provenance(results, folder)),
    )


def _pictures(results: Results) -> dict[str, bytes]:
    """Draw the pictures for which there are results."""
    pictures = {}
    if any(row.records for row in results.rows):
        pictures['labels'] = figures.label_curve(results)
    if any(row.to_scratch for row in results.rows):
        pictures['intervals'] = figures.interval_plot(results)
    return pictures


def _curve_caption(results: Results) -> str:
    drawn = figures.curve_starts(results)
    left_out = dict.fromkeys(
        row.label
        for row in results.rows
        if row.records and row.start not in drawn
    )
    rest = f' Only in the tables: {"; ".join(left_out)}.' if left_out else ''
    return (
        'AP by the number of labeled pictures. Each dot is one seed, the bar '
        'at each number is the mean, and the band is one standard deviation.'
        + rest
    )


def progress(results: Results) -> str:
    """Say how many cells are done, unless all are."""
    done, planned = len(results.done), results.planned
    if done == planned:
        return ''
    return f'{done} of {planned} cells are done; the numbers can still change.'


def _facts(results: Results) -> list[str]:
    plan = results.plan
    facts = [plan['notes'], plan['data']['source'], plan['tuning']]
    facts += results.content['notes']
    for row in results.rows:
        facts += [f'{row.label}, {row.labels} labels: {n}' for n in row.notes]
    for probes in results.probes:
        facts += [f'FAILED {failure}' for failure in probes.failures]
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
        lines.append(f'unused records of earlier versions of the plan: {old}')
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
    # Text in Markdown is not escaped; the cells of tables are cleaned instead.
    environment = templates('mmsoco.comparison', '', escape)
    environment.filters['cell'] = _markdown_cell
    return environment


def _markdown_cell(text: str) -> str:
    """Escape characters that would break a cell of a Markdown table."""
    return ' '.join(str(text).split()).replace('|', r'\|').replace('<', '&lt;')


def render_markdown(
    chapters: Sequence[Chapter], pictures: str, guide: str = ''
) -> str:
    """Render the report as Markdown.

    Args:
        chapters: One for each plan.
        pictures: Folder of the pictures, relative to the file.
        guide: Page that explains how to read it, relative to the file.
    """
    template = _environment(escape=False).get_template('report.md')
    return template.render(chapters=chapters, pictures=pictures, guide=guide)


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


def write_figure(results: Results, path: Path) -> None:
    """Write the small label curve, for a README.

    Args:
        results: The results of one plan.
        path: File with the ending ``.svg`` or ``.png``.

    Raises:
        ValueError: If it has another ending, or no fine-tuning is finished.
    """
    kind = path.suffix.removeprefix('.')
    if kind not in FIGURES:
        raise ValueError(
            f'--figure {path}: expected a file that ends in '
            f'{" or ".join(FIGURES)}'
        )
    if not any(row.records for row in results.rows):
        raise ValueError(
            f'--figure {path}: no fine-tuning of {results.plan["name"]} is '
            'finished, so there is nothing to draw yet'
        )
    picture = figures.small_curve(results, asked_start(results), kind)
    with atomic_path(path) as partial:
        partial.write_bytes(picture)


def write_report(
    folders: Sequence[Path],
    html: Path | None,
    markdown: Path | None,
    figure: Path | None = None,
    guide: str = '',
) -> list[Chapter]:
    """Write the report of one or more plans.

    Args:
        folders: Folders of records.
        html: Page to write.
        markdown: Markdown file to write; its pictures go to a folder of the
            same name next to it.
        figure: Picture of the first plan for a README.
        guide: Page to link to from the Markdown file.

    Returns:
        The chapters.

    Raises:
        FileNotFoundError: If a folder has no records of a plan.
        ValueError: If a record is damaged.
    """
    plans = [analysis.read_results(folder) for folder in folders]
    chapters = [chapter(*of) for of in zip(plans, folders, strict=True)]
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
        text = render_markdown(chapters, folder.name, guide)
        write_text(markdown, text)
    if figure is not None:
        write_figure(plans[0], figure)
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
    parser.add_argument(
        '--figure',
        type=Path,
        help='small picture of the first plan to write, .svg or .png',
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the report; return the exit status."""
    args = parse_args(argv)
    try:
        chapters = write_report(
            args.records, args.html, args.markdown, args.figure
        )
    except (OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    for part in chapters:
        print('\n'.join([part.title, *part.answer]))
    return 0


if __name__ == '__main__':
    sys.exit(main())
