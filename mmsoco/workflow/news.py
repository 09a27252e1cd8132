"""Show the logged numbers of a training on the console."""

from collections.abc import Iterable, Mapping

from mmsoco.utils.durations import describe_time
from mmsoco.visualization.logs import contrast_loss
from mmsoco.workflow.console import Progress

# `CollapseHook.threshold`; below it, all embeddings are nearly equal.
LEAST_SPREAD = 0.1


class TrainingNews:
    """Show mmengine's log on the console.

    Args:
        progress: The bar.
        epochs: Epochs of the training.
    """

    def __init__(self, progress: Progress, epochs: int) -> None:
        self.progress = progress
        self.epochs = epochs
        self.epoch = 0
        self.text = ''

    def take(self, entries: Iterable[Mapping[str, float]]) -> None:
        """Show the newest of some logged entries."""
        for entry in entries:
            if 'loss' not in entry:
                continue
            self.epoch = int(entry['epoch'])
            self.text = self._describe(entry)
            done = int(entry['step']) - self.progress.done
            name, text = self.line()
            self.progress.update(done, text, name)

    def line(self) -> tuple[str, str]:
        """Return the epoch and a line about it."""
        return f'epoch {self.epoch}/{self.epochs}', self.text

    def _describe(self, entry: Mapping[str, float]) -> str:
        parts = self._gauges(entry)
        if entry.get('skipped_steps'):
            parts.append(f'{entry["skipped_steps"]:.0f} steps skipped')
        left = (self.progress.total - int(entry['step'])) * entry['time']
        if left > 0:
            parts.append(f'{describe_time(left)} left')
        return '   '.join(parts)

    def _gauges(self, entry: Mapping[str, float]) -> list[str]:
        """Return the gauges of an entry as text."""
        return [f'loss {entry["loss"]:.2f}']


class PretrainingNews(TrainingNews):
    """The news of a pretraining.

    Args:
        progress: The bar.
        epochs: Epochs of the training.
        least: The loss that a perfect prediction would have.
    """

    def __init__(self, progress: Progress, epochs: int, least: float) -> None:
        super().__init__(progress, epochs)
        self.least = least

    def _gauges(self, entry: Mapping[str, float]) -> list[str]:
        spread = entry.get('embedding_std', float('nan'))
        verdict = 'COLLAPSED' if spread < LEAST_SPREAD else 'ok'
        gauges = [
            # The loss of a pretext has another least value.
            f'loss {contrast_loss(entry):z.1f} (least {self.least:.0f})',
            f'spread {spread:.2f} {verdict}',
            f'same object {entry.get("pair_cosine", float("nan")):.2f}',
            f'found again {entry.get("retrieval", float("nan")):.2f}',
        ]
        if 'images_per_s' in entry:  # not in the first steps
            speed = entry['images_per_s']
            # A slow machine shows 0.3 instead of 0.
            digits = '.0f' if speed >= 10 else '.2g'
            gauges.append(f'{speed:{digits}} images/s')
        return gauges


class DetectorNews(TrainingNews):
    """The news of a fine-tuning."""

    def _gauges(self, entry: Mapping[str, float]) -> list[str]:
        return [
            f'loss {entry["loss"]:.2f}',
            f'class accuracy {entry.get("acc", float("nan")):.0f} %',
        ]
