"""Draw numbers that a run logged as curves."""

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .logs import pair_losses

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLORS = (
    '#0b6e75', '#e08e45', '#7a5ea8', '#c8506b', '#4d8f4a', '#3f74b5',
    '#a77b3b', '#5b6875',
)  # fmt: skip


@dataclass(frozen=True)
class Curve:
    """A series of numbers to draw.

    Attributes:
        label: Text in the legend.
        steps: Horizontal positions.
        values: One value per step.
    """

    label: str
    steps: Sequence[float]
    values: Sequence[float]


@dataclass(frozen=True)
class Panel:
    """A pair of axes with curves.

    Attributes:
        title: Text above the axes.
        curves: The curves.
        x_label: Text below the horizontal axis.
        y_range: Limits of the vertical axis; fitted to the curves if None.
    """

    title: str
    curves: Sequence[Curve]
    x_label: str = 'iteration'
    y_range: tuple[float, float] | None = None


def series(
    scalars: Iterable[Mapping[str, float]], name: str, label: str = ''
) -> Curve:
    """Extract one scalar from the logged lines.

    Args:
        scalars: Lines of :func:`read_scalars`.
        name: The scalar; lines without it are left out.
        label: Label of the curve, the name if empty.
    """
    found = [entry for entry in scalars if name in entry]
    return Curve(
        label or name,
        [entry['step'] for entry in found],
        [entry[name] for entry in found],
    )


def draw_curves(panels: Sequence[Panel]) -> bytes:
    """Draw panels of curves side by side.

    Args:
        panels: At least one.

    Returns:
        An SVG document.
    """
    # The object interface needs no display and does not touch pyplot's state.
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.0, 3.0), layout='constrained')
    FigureCanvasSVG(figure)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, panel in zip(axes, panels, strict=True):
        _draw_panel(axis, panel)
    buffer = io.BytesIO()
    # The same numbers give the same bytes: no date, no random ids.
    with rc_context({'svg.hashsalt': 'mmsoco'}):
        figure.savefig(buffer, format='svg', metadata={'Date': None})
    return buffer.getvalue()


def _draw_panel(axis: 'Axes', panel: Panel) -> None:
    for index, curve in enumerate(panel.curves):
        axis.plot(
            curve.steps, curve.values, label=curve.label, linewidth=1.8,
            color=COLORS[index % len(COLORS)],
            marker='o' if len(curve.steps) < 12 else None, markersize=4,
        )  # fmt: skip
    axis.set_title(panel.title, fontsize=11, loc='left', color='#1d2733')
    axis.set_xlabel(panel.x_label, color='#5b6875')
    axis.tick_params(colors='#5b6875', labelsize=9)
    axis.spines[['top', 'right']].set_visible(False)
    axis.spines[['left', 'bottom']].set_color('#c3ccd4')
    axis.grid(axis='y', color='#e6ebef', linewidth=0.8)
    if panel.y_range is not None:
        axis.set_ylim(*panel.y_range)
    if len(panel.curves) > 1:
        axis.legend(frameon=False, fontsize=9)


def pretraining_panels(scalars: Sequence[Mapping[str, float]]) -> list[Panel]:
    """Return the loss and the gauges of a pretraining, to draw.

    Args:
        scalars: Lines of `read_scalars`, at least one.
    """
    losses = [
        series(scalars, name, f'views {name[-2]} and {name[-1]}')
        for name in pair_losses(scalars[0])
    ]
    gauges = [
        series(scalars, 'embedding_std', 'spread'),
        series(scalars, 'pair_cosine', 'cosine of pairs'),
    ]
    momentum = [series(scalars, 'target_momentum')]
    return [
        Panel('loss', losses),
        Panel('gauges', gauges, y_range=(0, 1.05)),
        Panel('target momentum', momentum),
    ]
