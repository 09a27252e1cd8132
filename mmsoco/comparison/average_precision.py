"""Compute COCO's average precision of detections, without rounding."""

import contextlib
import io
from pathlib import Path
from typing import NamedTuple

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mmsoco.utils.files import read_json

# The first six numbers of COCO's summary.
NAMES = ('AP', 'AP50', 'AP75', 'AP_small', 'AP_medium', 'AP_large')
_DIGITS = 4


class AveragePrecision(NamedTuple):
    """COCO's AP in percent; None if there are no objects.

    Attributes:
        ap: By the names of `NAMES`.
        by_class: By the names of the classes.
    """

    ap: dict[str, float | None]
    by_class: dict[str, float | None]


def evaluate(labels: Path, detections: Path) -> AveragePrecision:
    """Evaluate boxes; mmdet's metric does the same and rounds to 0.1.

    Args:
        labels: COCO annotations.
        detections: COCO results: a list of dicts with ``image_id``,
            ``category_id``, ``bbox`` (xywh) and ``score``.

    Returns:
        The average precision; 0 without detections.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(labels))
        found = read_json(detections)
        # `loadRes` takes no empty list.
        results = truth.loadRes(found) if found else COCO()
        evaluation = COCOeval(truth, results, 'bbox')
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    # (thresholds, recalls, classes, areas, detections per picture)
    precision = evaluation.eval['precision'][:, :, :, 0, -1]
    names = [c['name'] for c in truth.loadCats(evaluation.params.catIds)]
    by_class = {}
    for index, name in enumerate(names):
        values = precision[:, :, index]
        values = values[values > -1]
        by_class[name] = _percent(values.mean() if values.size else -1)
    ap = dict(zip(NAMES, map(_percent, evaluation.stats[:6]), strict=True))
    return AveragePrecision(ap, by_class)


def _percent(value: float) -> float | None:
    return None if value < 0 else round(100 * float(value), _DIGITS)
