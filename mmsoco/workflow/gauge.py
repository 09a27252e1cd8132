"""Gauge a pretraining by labels: are the classes easier to distinguish?

Probes the features of labeled boxes in a separate process, for the
pretrained weights and for the untrained network::

    python -m mmsoco.workflow.gauge CONFIG.py WEIGHTS.pth IMAGES LABELS OUT
"""

import dataclasses
import sys
from pathlib import Path
from typing import Any

from mmengine.config import Config

import mmsoco.registry  # noqa: F401  (makes the scope known)
from mmsoco.evaluation.probe import ProbeResult, ProbeSettings, probe
from mmsoco.utils.files import write_json

# Enough for a standard error of a few hundredths, within a minute.
_SETTINGS = ProbeSettings(num_train=200, num_val=100)


def gauge(
    detector: dict, weights: Path, images: Path, labels: Path
) -> dict[str, Any]:
    """Probe pretrained weights and, for comparison, the untrained network.

    Args:
        detector: The detector's config.
        weights: The pretrained weights.
        images: Folder of the pictures.
        labels: Their COCO-style JSON.

    Returns:
        ``text``, ``header`` and ``rows`` of a table by module, and the results
        of both probes, in plain values.

    Raises:
        ValueError: If the labels have one class only, or too few pictures.
    """
    trained = probe(detector, weights, images, labels, _SETTINGS)
    untrained = probe(detector, None, images, labels, _SETTINGS)
    return dict(
        text=_describe(trained),
        header=[
            'features of', 'neighbors', 'untrained', 'linear', 'untrained',
        ],
        rows=[
            [
                name,
                f'{score.knn:.2f}',
                f'{untrained.modules[name].knn:.2f}',
                f'{score.linear:.2f} ± {score.linear_error:.2f}',
                f'{untrained.modules[name].linear:.2f}',
            ]
            for name, score in trained.modules.items()
        ],
        trained=dataclasses.asdict(trained),
        untrained=dataclasses.asdict(untrained),
    )  # fmt: skip


def _describe(result: ProbeResult) -> str:
    size = result.controls['size']
    return (
        'The probe: classes of labeled boxes, read from the features of each '
        'module by nearest neighbors and by a linear classifier (accuracy, '
        f'± its standard error; {result.boxes["val"]} boxes). The most '
        f'frequent class alone would give {result.majority:.2f}, the size of '
        f'a box alone {size.linear:.2f}. Features that are no better than '
        'those of the untrained network have not learned what distinguishes '
        'these classes.'
    )


def main() -> None:
    """Run the gauge with the arguments of the command line."""
    config, weights, images, labels, out = sys.argv[1:]
    detector = Config.fromfile(config).model.detector
    found = gauge(detector, Path(weights), Path(images), Path(labels))
    write_json(Path(out), found, indent=2)


if __name__ == '__main__':
    main()
