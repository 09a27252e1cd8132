"""Training loops."""

from typing import Any

from mmengine.runner import EpochBasedTrainLoop, Runner
from torch.utils.data import DataLoader

from mmsoco.registry import LOOPS


def epochs_for(
    num_samples: int, num_images: int, min_epochs: int, max_epochs: int
) -> int:
    """The epochs in which a data set gives a number of samples.

    Args:
        num_samples: samples that the run shall see.
        num_images: images of the data set, at least 1.
        min_epochs: fewest epochs.
        max_epochs: most epochs; where it is below ``min_epochs``, it counts.

    Returns:
        ``num_samples / num_images``, rounded, within the limits.
    """
    epochs = round(num_samples / num_images)
    return min(max(epochs, min_epochs), max_epochs)


@LOOPS.register_module()
class SampleBudgetTrainLoop(EpochBasedTrainLoop):
    """Trains for more epochs where there are fewer images.

    A recipe in epochs makes few steps on a small data set. This loop asks for
    samples instead, see :func:`epochs_for`. Lengths of schedules that a
    config leaves open follow the number of epochs.

    Args:
        runner: the runner.
        dataloader: the data, or its config.
        num_samples: samples that the run shall see.
        min_epochs: fewest epochs.
        max_epochs: most epochs.
        kwargs: further arguments of mmengine's loop by epochs.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader | dict,
        num_samples: int,
        min_epochs: int,
        max_epochs: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(runner, dataloader, max_epochs, **kwargs)
        num_images = len(self.dataloader.dataset)
        self._max_epochs = epochs_for(
            num_samples, num_images, min_epochs, max_epochs
        )
        self._max_iters = self._max_epochs * len(self.dataloader)
        runner.logger.info(
            f'{num_images} images: {self._max_epochs} epochs of '
            f'{len(self.dataloader)} iterations.'
        )
