"""Read the logs that a training or an evaluation wrote to its work dir."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmsoco.checkpoints.load_report import REPORT_NAME, read_reports

# Each pair of views can contribute -4 at best: -2 cos, both ways.
LEAST_OF_PAIR = -4.0


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
    """Read the metrics of the newest evaluation below a work dir.

    Args:
        work_dir: Work dir of `mmsoco test`.
        name: A metric that must be there, such as ``coco/bbox_mAP``.

    Returns:
        The metrics by name.

    Raises:
        FileNotFoundError: If no evaluation measured it.
    """
    for path in sorted(work_dir.glob('*/*.json'), reverse=True):
        metrics = json.loads(path.read_text(encoding='utf-8'))
        if name in metrics:
            return metrics
    raise FileNotFoundError(
        f'no */*.json with {name} below {work_dir}: expected the work dir of '
        'an evaluation by `mmsoco test`'
    )


def read_load_reports(work_dir: Path) -> list[dict[str, Any]]:
    """Read the load reports of the first start below a work dir.

    Later starts resume, and load the run's own checkpoints.

    Args:
        work_dir: Work dir of a training.

    Returns:
        For each file that was loaded its ``source``, and the ``header`` and
        ``rows`` of a table of tensors by part; empty if nothing was loaded.
    """
    for path in sorted(work_dir.glob(f'*/{REPORT_NAME}')):
        return [_load_table(report) for report in read_reports(path.parent)]
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


def pair_losses(scalars: Iterable[str]) -> list[str]:
    """Return the names of the losses of pairs of views, sorted.

    Args:
        scalars: Names of logged numbers; losses of pretexts have other names.
    """
    return sorted(n for n in scalars if re.fullmatch(r'loss_\d+', n))


def contrast_loss(entry: Mapping[str, float]) -> float:
    """Return the loss of all pairs of views of a line, without pretexts."""
    return sum(entry[name] for name in pair_losses(entry))


def summarize(
    scalars: Sequence[Mapping[str, float]],
) -> dict[str, float | None]:
    """Summarize a pretraining in numbers.

    Args:
        scalars: Lines of `read_scalars`, at least one.

    Returns:
        ``first`` and ``last`` loss of the pairs together, the ``least`` that
        is possible (-4 for each of the ``pairs``), ``spread`` and
        ``images_per_s``, None if the run was too short to measure it.
    """

    def values(name: str) -> list[float]:
        return [entry[name] for entry in scalars if name in entry]

    pairs = pair_losses(scalars[0])
    losses = [contrast_loss(e) for e in scalars if pairs[0] in e]
    speeds = values('images_per_s')
    return dict(
        first=losses[0],
        last=losses[-1],
        least=LEAST_OF_PAIR * len(pairs),
        pairs=len(pairs),
        spread=values('embedding_std')[-1],
        images_per_s=float(np.mean(speeds)) if speeds else None,
    )
