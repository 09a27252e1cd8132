"""What a fine-tuning leaves in its folder: files and metrics."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmsoco.visualization.logs import read_metrics

# The file in the folder of a run with the weights alone.
DETECTOR = 'detector.pth'


@dataclass(frozen=True)
class FinetunedRun:
    """A finished fine-tuning.

    Attributes:
        out: Its folder.
        metrics: COCO's metrics by name, such as ``bbox_mAP``, from 0 to 1; -1
            if there is nothing to evaluate.
        manifest: The choices and finished steps.
    """

    out: Path
    metrics: Mapping[str, float]
    manifest: Mapping[str, Any]

    @property
    def checkpoint(self) -> Path:
        """The last checkpoint, which was evaluated."""
        return self.out / 'checkpoints' / self.manifest['checkpoint']

    @property
    def detector(self) -> Path:
        """The weights of that checkpoint alone, with the classes."""
        return self.out / DETECTOR

    @property
    def config(self) -> Path:
        """The whole config of the training."""
        return self.out / 'finetune.py'

    @property
    def report(self) -> Path:
        """The report, one HTML file."""
        return self.out / 'report.html'


def read_evaluation(out: Path) -> dict[str, float]:
    """Return the metrics of the newest evaluation below a folder.

    Raises:
        FileNotFoundError: If there is none.
    """
    return {
        name.removeprefix('coco/'): float(value)
        for name, value in read_metrics(out, 'coco/bbox_mAP').items()
        if name.startswith('coco/') and isinstance(value, (int, float))
    }
