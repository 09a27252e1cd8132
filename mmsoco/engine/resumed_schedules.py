"""Continue the schedules of a run, with its old settings or new ones."""

import math
import warnings
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from mmengine.optim import _ParamScheduler

from mmsoco.engine.run_record import RunRecord
from mmsoco.engine.values import is_number


def position(
    iters: int, was: RunRecord, now: RunRecord, by_epoch: bool
) -> int:
    """Translate the position of a run into new iterations.

    The position of an epoch-based run is a number of passes over its images,
    that of an iteration-based run a number of images.

    Args:
        iters: Iterations made.
        was: The run that made them.
        now: The run that continues.
        by_epoch: Whether the run's length is given in epochs.

    Returns:
        Iterations of the new run after which it is at the same sample.
    """
    if by_epoch:
        passes = Fraction(iters, was.epoch_length) * was.images / now.images
        return round(passes * now.epoch_length)
    return round(Fraction(iters * was.batch, now.batch))


def fast_forward(
    schedulers: Iterable[_ParamScheduler],
    iters: int,
    epochs: int,
    epoch_length: int,
) -> None:
    """Bring fresh schedules to a position, as the run would have done.

    Args:
        schedulers: At their start; changed.
        iters: Iterations made.
        epochs: Epochs that were ended.
        epoch_length: Iterations of an epoch.
    """
    # Within an iteration, those that step by iterations come first.
    schedulers = sorted(schedulers, key=lambda each: each.by_epoch)
    with warnings.catch_warnings():
        # No step of the optimizer lies between these.
        warnings.simplefilter('ignore', UserWarning)
        for done in range(1, iters + 1):
            epoch, rest = divmod(done, epoch_length)
            ends_epoch = not rest and epoch <= epochs
            for scheduler in schedulers:
                if ends_epoch or not scheduler.by_epoch:
                    scheduler.step()


def flat_schedulers(schedulers: Any) -> list[_ParamScheduler]:
    """List the schedulers of a runner, which may be None or per optimizer."""
    if isinstance(schedulers, dict):
        return [s for of_one in schedulers.values() for s in of_one]
    return list(schedulers or [])


def load_schedulers(schedulers: Any, states: Any) -> None:
    """Load the states of the schedules.

    Args:
        schedulers: Of the runner; changed.
        states: What the file holds of them, in the same form.

    Raises:
        TypeError: If they are the states of other schedules.
    """
    if isinstance(schedulers, dict):
        for name, of_one in schedulers.items():
            load_schedulers(of_one, states[name])
        return
    schedulers = schedulers or []
    if len(schedulers) != len(states):
        raise TypeError(f'{len(states)} schedules, expected {len(schedulers)}')
    for scheduler, state in zip(schedulers, states, strict=True):
        # mmengine would take any dict for the attributes of a schedule.
        if set(state) != set(scheduler.state_dict()):
            raise TypeError(f'a schedule of {", ".join(map(str, state))}')
        _check_form(scheduler.state_dict(), state)
        scheduler.load_state_dict(state)


def _check_form(own: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Raise TypeError on values with which a schedule could not continue."""
    for name, value in own.items():
        loaded = state[name]
        listed = isinstance(value, list | tuple)
        numbers = list(loaded) if listed else [loaded]
        wanted = list(value) if listed else [value]
        fit = all(
            is_number(number) and math.isfinite(number)
            for number, like in zip(numbers, wanted, strict=False)
            if is_number(like)
        )
        if not fit or len(numbers) != len(wanted):
            raise TypeError(f'{name} of a schedule is {loaded!r}')
