"""Warns when the embeddings of all objects become the same."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmsoco.registry import HOOKS


@HOOKS.register_module()
class CollapseHook(Hook):
    """Watches the spread of the embeddings.

    The model logs ``embedding_std``: the standard deviation of the
    normalised projections over the batch, times the root of their dimension,
    1 where they point into all directions alike and 0 where they are all the
    same. A loss near its minimum with a spread near 0 is a collapse: the
    network answers every object with one vector, and has learned nothing.

    Args:
        threshold: mean spread below which the embeddings count as collapsed.
        interval: iterations between two looks, and over which is averaged.
        silence: looks between two warnings of one collapse.
    """

    priority = 'NORMAL'

    def __init__(
        self, threshold: float = 0.1, interval: int = 50, silence: int = 20
    ) -> None:
        self.threshold = threshold
        self.interval = interval
        self.silence = silence
        self.collapsed_looks = 0

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict | None = None,
    ) -> None:
        """Looks at the gauges every ``interval`` iterations.

        Args:
            runner: the runner.
            batch_idx: iteration within the epoch.
            data_batch: the batch.
            outputs: what the model logged.
        """
        if not self.every_n_train_iters(runner, self.interval):
            return
        hub = runner.message_hub
        spread = hub.get_scalar('train/embedding_std').mean(self.interval)
        if spread >= self.threshold:
            self.collapsed_looks = 0
            return
        if self.collapsed_looks % self.silence == 0:
            cosine = hub.get_scalar('train/pair_cosine').mean(self.interval)
            runner.logger.warning(_message(spread, self.threshold, cosine))
        self.collapsed_looks += 1


def _message(spread: float, threshold: float, cosine: float) -> str:
    rule = '=' * 72
    return (
        f'\n{rule}\nTHE EMBEDDINGS HAVE COLLAPSED: embedding_std is '
        f'{spread:.3f} (below {threshold:g}; 1 is a full spread), '
        f'pair_cosine is {cosine:.3f}.\n'
        'All objects get nearly the same embedding, so a low loss means '
        'nothing here.\n'
        'What helps: a smaller learning rate or a longer warm-up '
        '(optim_wrapper.optimizer.lr, param_scheduler.warmup); a larger '
        'batch per process (at least 4 images, batch norm needs it); a '
        'target momentum of 0.99 or more '
        '(default_hooks.target_update.base_momentum). Continue from a '
        f'checkpoint before the collapse, or start anew.\n{rule}'
    )
