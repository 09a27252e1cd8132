"""Build a self-contained HTML report: one file, pictures embedded.

The functions do not depend on the content of a report: they read the numbers
that runs log, draw them as curves, and fill in a page of ``templates/``, which
escapes every text.
"""

import base64
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from mmsoco.utils.extras import require_extra
from mmsoco.utils.files import write_text

if TYPE_CHECKING:
    from jinja2 import Environment
    from matplotlib.axes import Axes

COLORS = (
    '#0b6e75', '#e08e45', '#7a5ea8', '#c8506b', '#4d8f4a', '#3f74b5',
    '#a77b3b', '#5b6875',
)  # fmt: skip


# Each pair of views can contribute -4 at best: -2 cos, both ways.
LEAST_OF_PAIR = -4.0


@dataclass(frozen=True)
class Curve:
    """A series of numbers to draw.

    Attributes:
        label: What the legend says.
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
        curves: What they show.
        x_label: Text below the horizontal axis.
        y_range: Limits of the vertical axis; fitted to the curves if None.
    """

    title: str
    curves: Sequence[Curve]
    x_label: str = 'iteration'
    y_range: tuple[float, float] | None = None


@dataclass(frozen=True)
class StepTime:
    """A step of a run, for the timeline.

    Attributes:
        name: Text of the legend.
        seconds: How long it took.
        anchor: Id of the section that describes it.
    """

    name: str
    seconds: float
    anchor: str


def read_scalars(work_dir: Path) -> list[dict]:
    """Read the numbers that mmengine logged below a work dir.

    A resumed run writes a folder for each start. Their lines are joined in
    the order of the starts; where two starts logged the same step of the same
    kind, the later one counts.

    Args:
        work_dir: Work dir of a training.

    Returns:
        A dict per logged line: ``step`` (int) and the scalars by name.

    Raises:
        FileNotFoundError: If nothing was logged there.
    """
    paths = sorted(work_dir.glob('*/vis_data/scalars.json'))
    if not paths:
        raise FileNotFoundError(
            f'no */vis_data/scalars.json below {work_dir}: expected the work '
            'dir of a training with the LocalVisBackend of mmengine'
        )
    lines: dict[tuple[int, bool], dict] = {}
    for path in paths:
        for line in path.read_text().splitlines():
            entry = json.loads(line)
            lines[entry['step'], 'loss' in entry] = entry
    return [lines[key] for key in sorted(lines)]


def read_metrics(work_dir: Path, name: str) -> dict[str, float]:
    """Read what the newest evaluation below a work dir measured.

    Args:
        work_dir: Work dir of `mmsoco test`.
        name: A metric that must be there, such as ``coco/bbox_mAP``.

    Returns:
        The metrics by name.

    Raises:
        FileNotFoundError: If no evaluation measured it.
    """
    for path in sorted(work_dir.glob('*/*.json'), reverse=True):
        metrics = json.loads(path.read_text())
        if name in metrics:
            return metrics
    raise FileNotFoundError(
        f'no */*.json with {name} below {work_dir}: expected the work dir of '
        'an evaluation by `mmsoco test`'
    )


def read_load_reports(work_dir: Path) -> list[dict[str, Any]]:
    """Read what the first start below a work dir loaded.

    Later starts resume, and load the run's own checkpoints.

    Args:
        work_dir: Work dir of a training.

    Returns:
        For each file that was loaded its ``source``, and the ``header`` and
        ``rows`` of a table of tensors by part; empty where nothing was.
    """
    for path in sorted(work_dir.glob('*/load_report.json')):
        reports = json.loads(path.read_text(encoding='utf-8'))
        return [_load_table(report) for report in reports]
    return []


def _load_table(report: Mapping[str, Any]) -> dict[str, Any]:
    parts = report['parts']
    names = list(next(iter(parts.values()), {}))
    return dict(
        source=Path(report['source']).name,
        header=['part', *(name.replace('_', ' ') for name in names)],
        rows=[
            [part, *(counts[name] for name in names)]
            for part, counts in parts.items()
        ],
    )


def series(
    scalars: Iterable[Mapping[str, float]], name: str, label: str = ''
) -> Curve:
    """Take one scalar out of the logged lines.

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


def draw_curves(panels: Sequence[Panel], width: float = 10.0) -> bytes:
    """Draw panels of curves side by side.

    Args:
        panels: At least one.
        width: Width of the picture in inches.

    Returns:
        An SVG document.
    """
    # The object interface: it needs no display and leaves pyplot's state be.
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, 3.0), layout='constrained')
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


def data_uri(data: bytes, kind: str) -> str:
    """Write bytes as a URI that needs no second file.

    Args:
        data: Contents of a file.
        kind: Its media type, such as ``image/png``.
    """
    return f'data:{kind};base64,{base64.b64encode(data).decode()}'


def image_uri(image: np.ndarray, quality: int = 88) -> str:
    """Embed a picture as JPEG.

    Args:
        image: (H, W, 3) uint8 RGB.
        quality: JPEG quality, 0 to 100.

    Raises:
        ValueError: If the array is not an RGB picture.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(
            f'expected a (H, W, 3) uint8 RGB picture, got shape {image.shape} '
            f'and {image.dtype}'
        )
    parameters = [cv2.IMWRITE_JPEG_QUALITY, quality]
    _, encoded = cv2.imencode('.jpg', image[..., ::-1], parameters)
    return data_uri(encoded.tobytes(), 'image/jpeg')


def grid(rows: Sequence[Sequence[np.ndarray]], gap: int = 6) -> np.ndarray:
    """Lay pictures out in rows and columns on white.

    Args:
        rows: (H, W, 3) uint8 pictures; all of one size, rows of one length.
        gap: Pixels between two pictures.

    Returns:
        (H', W', 3) uint8.
    """
    height, width = rows[0][0].shape[:2]
    columns = len(rows[0])
    canvas = np.full(
        (len(rows) * (height + gap) - gap, columns * (width + gap) - gap, 3),
        255,
        np.uint8,
    )
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            top, left = i * (height + gap), j * (width + gap)
            canvas[top : top + height, left : left + width] = picture
    return canvas


def file_uri(path: Path) -> str:
    """Embed a JPEG file."""
    return data_uri(path.read_bytes(), 'image/jpeg')


def curves_uri(panels: Sequence[Panel]) -> str:
    """Embed curves; see `draw_curves`."""
    return data_uri(draw_curves(panels), 'image/svg+xml')


def pair_losses(scalars: Iterable[str]) -> list[str]:
    """Return the names of the losses of pairs of views, sorted.

    Args:
        scalars: Names of logged numbers; those of pretexts have words.
    """
    return sorted(n for n in scalars if re.fullmatch(r'loss_\d+', n))


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


def how_it_went(
    scalars: Sequence[Mapping[str, float]],
) -> dict[str, float | None]:
    """Sum up a pretraining in numbers.

    Args:
        scalars: Lines of `read_scalars`, at least one.

    Returns:
        ``first`` and ``last`` loss of the pairs together, the ``least`` that
        is possible (-4 for each of the ``pairs``), ``spread`` and
        ``images_per_s``, None where a run was too short to measure it.
    """
    pairs = pair_losses(scalars[0])
    speeds = series(scalars, 'images_per_s').values
    loss = np.sum([series(scalars, pair).values for pair in pairs], axis=0)
    return dict(
        first=float(loss[0]),
        last=float(loss[-1]),
        least=LEAST_OF_PAIR * len(pairs),
        pairs=len(pairs),
        spread=series(scalars, 'embedding_std').values[-1],
        images_per_s=float(np.mean(speeds)) if speeds else None,
    )


def percent(value: float) -> str:
    """Return an average precision as papers print it; COCO's -1 is "none"."""
    return 'none' if not value >= 0 else f'{100 * value:.1f}'


def write_page(path: Path, template: str, **context: Any) -> None:
    """Fill in a page; the file appears only when it is complete.

    Args:
        path: File to write.
        template: Name of a template in ``templates/``.
        context: Values for the template; text is escaped.

    Raises:
        OSError: If it could not be written.
        jinja2.UndefinedError: If the template needs a value that ``context``
            lacks.
    """
    page = templates('mmsoco.visualization').get_template(template)
    write_text(path, page.render(colors=COLORS, **context))


def templates(
    package: str, folder: str = 'templates', escape: bool = True
) -> 'Environment':
    """Return what reads the templates of a package and fills them in.

    Args:
        package: Name of the package.
        folder: Their folder inside of it.
        escape: Whether texts are escaped for HTML.

    Raises:
        ModuleNotFoundError: If Jinja2 is missing.
    """
    require_extra('report')
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader(package, folder),
        autoescape=escape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
