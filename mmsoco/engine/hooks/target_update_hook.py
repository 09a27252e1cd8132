"""Update the target network after each optimizer step."""

import math
from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from mmsoco.registry import HOOKS


def target_momentum(step: int, total: int, base: float) -> float:
    """Return the share of the old target that an update keeps.

    ``m = 1 - (1 - base) * (cos(pi * step / total) + 1) / 2``, which grows from
    ``base`` at step 0 to 1 at step ``total``. Elsewhere (mmengine's averaged
    models), "momentum" means the share of the NEW value; here it never does.

    Args:
        step: optimizer steps made, in [0, total].
        total: optimizer steps of the whole run.
        base: momentum at the start, in [0, 1].
    """
    return 1 - (1 - base) * (math.cos(math.pi * step / total) + 1) / 2


@HOOKS.register_module()
class TargetUpdateHook(Hook):
    """Update the target network after each real optimizer step.

    ``target = m * target + (1 - m) * online``, with ``m`` of
    :func:`target_momentum` at the number ``k`` of optimizer steps made. The
    published code updates before the step, with ``k`` counted from 0: its
    first update has equal networks and changes nothing, and each later one has
    the same weights and the same ``k`` as here.

    With gradient accumulation, iterations without a step are not counted, and
    ``k`` counts steps. It follows from the iteration, so that a resumed run
    continues where it stopped. (fp16 loss scaling may skip a step that
    overflowed; it counts as made.)

    Args:
        base_momentum: momentum at the start, in [0, 1].

    Raises:
        ValueError: If the momentum is outside of [0, 1].
    """

    priority = 'NORMAL'

    def __init__(self, base_momentum: float = 0.99) -> None:
        if not 0 <= base_momentum <= 1:
            raise ValueError(
                'TargetUpdateHook expects a base_momentum in [0, 1] (the '
                f'share of the OLD target), but got {base_momentum}.'
            )
        self.base_momentum = base_momentum

    def before_train(self, runner: Runner) -> None:
        """Check that the model has a target network.

        See Hook.before_train.

        Raises:
            TypeError: If it has none.
        """
        model = _unwrapped(runner)
        if not hasattr(model, 'target'):
            raise TypeError(
                'TargetUpdateHook expects a model with a target network '
                f'(such as SoCo), but got {type(model).__name__}. Remove '
                'default_hooks.target_update from the config.'
            )

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict | None = None,
    ) -> None:
        """Update the target if the iteration made an optimizer step.

        See Hook.after_train_iter.
        """
        if not runner.optim_wrapper.should_update():
            return
        accumulated = runner.optim_wrapper._accumulative_counts
        momentum = target_momentum(
            math.ceil((runner.iter + 1) / accumulated),
            math.ceil(runner.max_iters / accumulated),
            self.base_momentum,
        )
        _unwrapped(runner).target.update(momentum)
        runner.message_hub.update_scalar('train/target_momentum', momentum)


def _unwrapped(runner: Runner) -> Any:
    model = runner.model
    return model.module if is_model_wrapper(model) else model
