"""Draw the pictures of the report: AP over labels, and paired intervals."""

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mmsoco.visualization.curves import COLORS

from .results import Results, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH = 9.0
# The reference is gray; each of the others has its own color.
_MOST_CURVES = len(COLORS)
_INK, _SOFT, _LINE = '#1d2733', '#5b6875', '#e6ebef'
# Horizontal distance between the curves of two starts, as a fraction of the
# number of labels: otherwise dots of equal AP would hide each other.
_SHIFT = 0.02


def draw(
    paint: Callable[['Figure'], None],
    size: tuple[float, float],
    kind: str = 'svg',
) -> bytes:
    """Draw a picture on white; the same numbers give the same bytes.

    Args:
        paint: Fills the figure.
        size: Width and height in inches.
        kind: ``svg`` or ``png``.
    """
    # The object interface needs no display and does not touch pyplot's state.
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    options = {
        'svg.hashsalt': 'mmsoco',
        'font.size': 10,
        'text.color': _INK,
        'axes.edgecolor': _SOFT,
        'axes.labelcolor': _INK,
        'axes.spines.top': False,
        'axes.spines.right': False,
        'xtick.color': _SOFT,
        'ytick.color': _SOFT,
        'ytick.labelcolor': _INK,
    }
    # Leave out the time, and the version of matplotlib.
    metadata = {'Date': None} if kind == 'svg' else {'Software': None}
    with rc_context(options):
        figure = Figure(figsize=size, layout='constrained')
        paint(figure)
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind, metadata=metadata, dpi=200)
    return buffer.getvalue()


def curve_starts(results: Results) -> list[dict]:
    """Return the starts that the label curve shows, in their order.

    The reference and the starts that were measured with the most budgets,
    as many as can be distinguished.
    """
    measured = [
        (start, sum(bool(row.records) for row in _rows_of(results, start)))
        for start in results.plan['starts']
    ]
    # Sorting keeps the order of starts with equally many budgets.
    most = sorted(
        (pair for pair in measured if pair[1]),
        key=lambda pair: (pair[0]['name'] != results.scratch, -pair[1]),
    )
    chosen = [start for start, _ in most[:_MOST_CURVES]]
    return [s for s in results.plan['starts'] if s in chosen]


def label_curve(results: Results) -> bytes:
    """Draw AP over the number of labels: dots of seeds, mean, deviation."""
    return draw(
        lambda figure: _paint_curves(figure, results, curve_starts(results)),
        (_WIDTH, 4.0),
    )


def small_curve(results: Results, start: str, kind: str = 'svg') -> bytes:
    """Draw the label curve of a start and its rivals, for a README.

    Args:
        results: At least one fine-tuning is finished.
        start: The start to show with those that it is compared with: the
            reference, the same for the time of pretraining too, and the best
            image-level method of each budget.
        kind: ``svg`` or ``png``.
    """
    wanted = {
        start, results.scratch, results.longer, *results.best.values()
    }  # fmt: skip
    starts = [
        s
        for s in results.plan['starts']
        if s['name'] in wanted
        and any(row.records for row in _rows_of(results, s))
    ]
    return draw(
        lambda figure: _paint_curves(figure, results, starts), (6.4, 3.0), kind
    )


def _rows_of(results: Results, start: dict) -> list[Row]:
    rows = [row for row in results.rows if row.start is start]
    return sorted(rows, key=lambda row: row.labels)


def _paint_curves(
    figure: 'Figure', results: Results, starts: Sequence[dict]
) -> None:
    axes = figure.subplots()
    others = iter(COLORS)
    for index, start in enumerate(starts):
        is_reference = start['name'] == results.scratch
        color = COLORS[-1] if is_reference else next(others)
        rows = [r for r in _rows_of(results, start) if r.records]
        shift = 1 + _SHIFT * (index - (len(starts) - 1) / 2)
        _paint_curve(axes, rows, color, shift)
    axes.set_xscale('log')
    budgets = sorted({r.labels for r in results.rows if r.records})
    axes.set_xlim(0.8 * min(budgets), 1.25 * max(budgets))
    axes.set_xticks(budgets, [f'{b:,}' for b in budgets])
    axes.minorticks_off()
    axes.set_xlabel('labeled pictures')
    axes.set_ylabel('box AP (percent)')
    axes.grid(axis='y', color=_LINE, linewidth=0.8)
    # Outside the axes, it does not hide dots.
    figure.legend(loc='outside right center', frameon=False, fontsize=9)


def _paint_curve(
    axes: 'Axes', rows: list[Row], color: str, shift: float
) -> None:
    labels = np.array([row.labels * shift for row in rows])
    summaries = [row.summary for row in rows if row.summary]
    means = np.array([summary.mean for summary in summaries])
    spread = np.array([summary.sd or 0.0 for summary in summaries])
    axes.plot(
        labels, means, '-_', color=color, label=rows[0].label, linewidth=2,
        markersize=14, markeredgewidth=2,
    )  # fmt: skip
    axes.fill_between(
        labels, means - spread, means + spread, color=color, alpha=0.12,
        linewidth=0,
    )  # fmt: skip
    for x, row in zip(labels, rows, strict=True):
        axes.plot(
            [x] * len(row.ap), list(row.ap.values()), 'o', color=color,
            markersize=4, alpha=0.7, markeredgewidth=0,
        )  # fmt: skip


def interval_plot(results: Results) -> bytes:
    """Draw each start's paired differences to the reference, by budget."""
    rows = [row for row in results.rows if row.to_scratch is not None]
    starts = [
        start
        for start in results.plan['starts']
        if any(row.start is start for row in rows)
    ]
    height = 0.9 + 0.3 * len(starts)
    return draw(
        lambda figure: _paint_panels(figure, results, rows, starts),
        (_WIDTH, height),
    )


def _paint_panels(
    figure: 'Figure',
    results: Results,
    rows: Sequence[Row],
    starts: Sequence[dict],
) -> None:
    budgets = [b for b in results.budgets if any(r.labels == b for r in rows)]
    panels = figure.subplots(1, len(budgets), sharey=True, squeeze=False)[0]
    for axes, labels in zip(panels, budgets, strict=True):
        axes.axvline(0, color=_SOFT, linewidth=1)
        for row in rows:
            if row.labels == labels:
                place = starts.index(row.start)
                _paint_interval(axes, place, row, results)
        axes.set_title(f'{labels:,} labels', fontsize=10, loc='left')
        axes.grid(axis='y', color=_LINE, linewidth=0.8)
        axes.tick_params(axis='y', length=0)
    names = [start['title'] or start['name'] for start in starts]
    panels[0].set_yticks(range(len(starts)), names)
    panels[0].set_ylim(len(starts) - 0.5, -0.5)
    figure.supxlabel('difference in box AP', fontsize=10)


def _paint_interval(
    axes: 'Axes', place: int, row: Row, results: Results
) -> None:
    scratch = results.row(results.scratch, row.labels)
    difference = row.to_scratch
    # Only rows with pairs are drawn.
    assert scratch is not None and difference is not None
    dots = [ap - scratch.ap[s] for s, ap in row.ap.items() if s in scratch.ap]
    if difference.low is not None and difference.high is not None:
        axes.plot(
            [difference.low, difference.high], [place] * 2,
            color=COLORS[0], linewidth=2,
        )  # fmt: skip
    axes.plot(difference.mean, place, 'D', color=COLORS[0], markersize=7)
    # White edges keep the dots visible on the line and on the diamond.
    axes.plot(
        dots, [place] * len(dots), 'o', color=COLORS[1], markersize=6,
        markeredgewidth=1, markeredgecolor='white',
    )  # fmt: skip
