"""The report's two pictures: AP over labels, and paired intervals."""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from mmsoco.visualization.report import COLOURS

from .analysis import Results, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH = 9.0
# More curves than this cannot be distinguished.
_MOST_CURVES = 8
# Distance of the dots of two starts, as a part of the number of labels.
_SHIFT = 0.012


def draw(paint: Callable[['Axes'], None], height: float) -> bytes:
    """Draw one pair of axes as SVG; the same numbers give the same bytes."""
    # The object interface: it needs no display and leaves pyplot's state be.
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with rc_context({'svg.hashsalt': 'mmsoco', 'font.size': 10}):
        figure = Figure(figsize=(_WIDTH, height), layout='constrained')
        FigureCanvasSVG(figure)
        axes = figure.subplots()
        paint(axes)
        axes.spines[['top', 'right']].set_visible(False)
        buffer = io.BytesIO()
        figure.savefig(buffer, format='svg', metadata={'Date': None})
    return buffer.getvalue()


def label_curve(results: Results) -> bytes:
    """Draw AP over the number of labels: seeds as dots, mean, deviation."""

    def paint(axes: 'Axes') -> None:
        starts = [
            start
            for start in results.plan['starts']
            if any(r.records for r in _rows_of(results, start))
        ]
        for index, start in enumerate(starts[:_MOST_CURVES]):
            rows = [r for r in _rows_of(results, start) if r.records]
            # Dots of equal AP would hide each other.
            shift = 1 + _SHIFT * (index - (len(starts) - 1) / 2)
            _paint_curve(axes, rows, COLOURS[index % len(COLOURS)], shift)
        axes.set_xscale('log')
        axes.set_xticks(results.budgets, [str(b) for b in results.budgets])
        axes.minorticks_off()
        axes.set_xlabel('labelled pictures')
        axes.set_ylabel('box AP (percent)')
        axes.grid(axis='y', color='#e6ebef', linewidth=0.8)
        if starts:
            axes.legend(frameon=False, fontsize=9)

    return draw(paint, 4.2)


def _rows_of(results: Results, start: dict) -> list[Row]:
    rows = [row for row in results.rows if row.start is start]
    return sorted(rows, key=lambda row: row.labels)


def _paint_curve(
    axes: 'Axes', rows: list[Row], colour: str, shift: float
) -> None:
    labels = np.array([row.labels for row in rows])
    means = np.array([row.summary.mean for row in rows])
    spread = np.array([row.summary.sd or 0.0 for row in rows])
    axes.plot(labels, means, color=colour, label=rows[0].label, linewidth=2)
    axes.fill_between(
        labels, means - spread, means + spread, color=colour, alpha=0.12
    )
    for row in rows:
        axes.plot(
            [row.labels * shift] * len(row.ap), list(row.ap.values()), 'o',
            color=colour, markersize=4, alpha=0.8,
        )  # fmt: skip


def interval_plot(results: Results) -> bytes:
    """Draw each start's paired difference to scratch with its interval."""
    rows = [row for row in results.rows if row.to_scratch is not None]

    def paint(axes: 'Axes') -> None:
        axes.axvline(0, color='#5b6875', linewidth=1)
        for place, row in enumerate(reversed(rows)):
            _paint_interval(axes, place, row, results)
        axes.set_yticks(
            range(len(rows)),
            [f'{r.label}, {r.labels} labels' for r in reversed(rows)],
        )
        axes.set_ylim(-0.6, len(rows) - 0.4)
        axes.set_xlabel(
            f'difference to {results.scratch}, box AP: '
            'pairs as dots, mean and 95 % interval from three pairs on'
        )

    return draw(paint, 1.2 + 0.35 * max(len(rows), 1))


def _paint_interval(
    axes: 'Axes', place: int, row: Row, results: Results
) -> None:
    scratch = results.row(results.scratch, row.labels)
    dots = [ap - scratch.ap[s] for s, ap in row.ap.items() if s in scratch.ap]
    axes.plot(
        dots, [place] * len(dots), 'o', color=COLOURS[0], alpha=0.4,
        markersize=4,
    )  # fmt: skip
    difference = row.to_scratch
    axes.plot(difference.mean, place, 'D', color=COLOURS[0], markersize=6)
    if difference.low is not None:
        axes.plot(
            [difference.low, difference.high], [place] * 2,
            color=COLOURS[0], linewidth=2,
        )  # fmt: skip
