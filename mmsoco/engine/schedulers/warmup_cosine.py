"""Linear warm-up and cosine decay of the learning rate, in closed form."""

import math
from typing import Any

from mmengine.optim import BaseOptimWrapper
from mmengine.optim.scheduler.lr_scheduler import LRSchedulerMixin
from mmengine.optim.scheduler.param_scheduler import _ParamScheduler
from torch.optim import Optimizer

from mmsoco.registry import PARAM_SCHEDULERS


def warmup_cosine(
    step: int,
    total: int,
    warmup: int,
    base: float,
    warmup_ratio: float = 0.01,
    minimum: float = 1e-6,
) -> float:
    """Return the learning rate of a step.

    From ``warmup_ratio * base`` linearly to ``base`` within ``warmup`` steps,
    then by half a cosine to ``minimum``, which step ``total`` would have::

        step < warmup:  base * (r + (1 - r) * step / warmup)
        else:           minimum + (base - minimum) * (1 + cos(pi * t)) / 2
                        with t = (step - warmup) / (total - warmup)

    Args:
        step: optimizer steps made, in [0, total].
        total: steps of the whole run.
        warmup: steps of the warm-up, below ``total``.
        base: highest learning rate.
        warmup_ratio: first learning rate, as a part of ``base``.
        minimum: learning rate at the end.
    """
    if step < warmup:
        return base * (warmup_ratio + (1 - warmup_ratio) * step / warmup)
    progress = (step - warmup) / (total - warmup)
    return minimum + (base - minimum) * (1 + math.cos(math.pi * progress)) / 2


@PARAM_SCHEDULERS.register_module()
class WarmupCosineLR(LRSchedulerMixin, _ParamScheduler):
    """Schedules the learning rate by :func:`warmup_cosine`.

    In a config the lengths are epochs and the steps are iterations::

        param_scheduler = dict(
            type='WarmupCosineLR', warmup=10, convert_to_iter_based=True)

    The closed form depends on the step alone, so that a resumed run, or one
    with other epochs before it, gets the same values.

    Args:
        optimizer: optimizer or its wrapper.
        warmup: length of the warm-up, in steps; in epochs, which may be a
            fraction, with ``convert_to_iter_based``.
        end: length of the run in the same unit. The runner fills it in.
        warmup_ratio: first learning rate, as a part of the highest.
        minimum: learning rate at the end.
        by_epoch: whether a step is an epoch.
        last_step: index of the last step made.

    Raises:
        ValueError: If the warm-up is negative or leaves nothing of the run, or
            a rate is out of range.
    """

    def __init__(
        self,
        optimizer: Optimizer | BaseOptimWrapper,
        warmup: int,
        end: int,
        warmup_ratio: float = 0.01,
        minimum: float = 1e-6,
        by_epoch: bool = True,
        last_step: int = -1,
    ) -> None:
        _check(warmup, end, 'epochs' if by_epoch else 'iterations')
        _check_range('warmup_ratio', warmup_ratio, 1.0)
        _check_range('minimum', minimum, math.inf)
        self.warmup = warmup
        self.warmup_ratio = warmup_ratio
        self.minimum = minimum
        super().__init__(
            optimizer, end=end, by_epoch=by_epoch, last_step=last_step
        )

    @classmethod
    def build_iter_from_epoch(
        cls,
        optimizer: Optimizer | BaseOptimWrapper,
        *,
        end: float,
        warmup: float | None = None,
        warmup_share: float | None = None,
        epoch_length: int | None = None,
        by_epoch: bool = True,
        **kwargs: Any,
    ) -> 'WarmupCosineLR':
        """Build the schedule per iteration from lengths in epochs.

        Args:
            optimizer: optimizer or its wrapper.
            end: epochs of the run.
            warmup: epochs of the warm-up.
            warmup_share: the warm-up as a part of the run, in place of
                ``warmup``.
            epoch_length: iterations of an epoch.
            by_epoch: must be true: the lengths are epochs.
            kwargs: further arguments of the class.

        Raises:
            ValueError: If ``by_epoch`` is false, the length is missing, or the
                warm-up is given in both ways or in none.
        """
        if (warmup is None) == (warmup_share is None):
            raise ValueError(
                'WarmupCosineLR expects either warmup (epochs) or '
                f'warmup_share (part of the run), but got warmup={warmup} '
                f'and warmup_share={warmup_share}. Set the other to None.'
            )
        if warmup is None:
            assert warmup_share is not None  # not both are None
            _check_range('warmup_share', warmup_share, 1.0)
            warmup = warmup_share * end
        if not by_epoch or not epoch_length:
            raise ValueError(
                'Only lengths in epochs can be converted to iterations: '
                'expected by_epoch=True and epoch_length > 0, but got '
                f'by_epoch={by_epoch} and epoch_length={epoch_length}.'
            )
        _check(warmup, end, 'epochs')
        return cls(
            optimizer,
            warmup=round(warmup * epoch_length),
            end=round(end * epoch_length),
            by_epoch=False,
            **kwargs,
        )

    def _get_value(self) -> list[float]:
        return [
            warmup_cosine(
                self.last_step,
                self.end,
                self.warmup,
                base,
                self.warmup_ratio,
                self.minimum,
            )
            for base in self.base_values
        ]


def _check(warmup: float, end: float, unit: str) -> None:
    """Refuse a warm-up that is negative or as long as the run."""
    if 0 <= warmup < end:
        return
    raise ValueError(
        f'The warm-up of {warmup:g} {unit} leaves nothing of a run of '
        f'{end:g} {unit} (WarmupCosineLR expects 0 <= warmup < end). Shorten '
        'the warm-up, for instance param_scheduler.warmup='
        f'{max(end, 0) / 10:g}, which may be a fraction of an epoch, or '
        'param_scheduler.warmup=0 for none; or train longer '
        '(train_cfg.max_epochs).'
    )


def _check_range(name: str, value: float, highest: float) -> None:
    """Refuse a value out of the range from 0 to the highest one."""
    if not 0 <= value <= highest or math.isinf(value):
        raise ValueError(
            f'WarmupCosineLR expects {name} from 0 to {highest:g}, but got '
            f'{value}.'
        )
