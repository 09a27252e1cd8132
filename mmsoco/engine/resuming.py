"""Continue a run from its checkpoint: the same run, or a clear no."""

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper, _ParamScheduler
from torch import nn
from torch.optim import Optimizer

from mmsoco.checkpoints.newest import newest_usable
from mmsoco.engine.run_record import RunRecord
from mmsoco.engine.values import MAX_SEED, is_number

SAMPLER_SEED = 'mmsoco_sampler_seed'  # in a checkpoint's meta
_PARTS = ('meta', 'state_dict', 'optimizer', 'message_hub')
_NAMED = 3
# States of optimizers that have the shape of their parameter.
_SHAPED = frozenset(
    'momentum_buffer exp_avg exp_avg_sq max_exp_avg_sq exp_inf square_avg '
    'grad_avg acc_delta sum prev step_size'.split()
)
# What unpacking raises where a file holds another structure than a run writes.
_ODD = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
)


@contextmanager
def part_of(path: str, part: str) -> Iterator[None]:
    """Say which part of a checkpoint is not as a run writes it.

    Args:
        path: The file.
        part: What is read of it.

    Raises:
        ValueError: In place of what the code within raises on odd structures.
    """
    try:
        yield
    except _ODD as error:
        raise ValueError(
            f'{path} is the checkpoint of a training run, but its {part} is '
            f'not as this release writes it ({type(error).__name__}: {error})'
            '. Resume an earlier checkpoint (--resume CHECKPOINT), or one '
            'that was not edited, with the release that wrote it.'
        ) from error


def set_resume(cfg: Config, resume: str | None) -> None:
    """Let the run of a config continue from a checkpoint.

    A config that says ``resume=True`` and names ``load_from`` continues from
    that checkpoint, as mmengine understands it.

    Args:
        cfg: Changed: ``resume`` and, where there is a checkpoint,
            ``load_from``.
        resume: A checkpoint, ``'auto'`` for the newest one in the work dir,
            or None, which leaves it to the config.

    Raises:
        FileNotFoundError: If the named checkpoint does not exist.
        ValueError: If there are checkpoints, but none that can be read.
    """
    if resume is None and not cfg.get('resume'):
        return
    if resume is None and cfg.get('load_from'):
        resume = cfg.load_from
    if resume in (None, 'auto'):
        checkpoint, passed = newest_usable(cfg.work_dir)
        for text in passed:
            print(f'Passed over: {text}.')
    else:
        checkpoint, passed = Path(resume), []
        if not checkpoint.is_file():
            raise FileNotFoundError(
                f'There is no checkpoint {checkpoint} to resume from. '
                '--resume without a name takes the newest one in the work '
                'dir.'
            )
    # Without a checkpoint the run starts, from load_from where it is set.
    cfg.resume = checkpoint is not None
    if checkpoint is not None:
        cfg.load_from = str(checkpoint)
    elif passed:
        raise ValueError(
            f'No checkpoint in {cfg.work_dir} can be read: '
            f'{"; ".join(passed)}. Start over in another --work-dir.'
        )
    else:
        print(f'Nothing to resume in {cfg.work_dir}: the run starts.')


def check_kind(checkpoint: Mapping, path: str, model: str) -> None:
    """Refuse a checkpoint that no run of this model has written.

    Args:
        checkpoint: What the file holds.
        path: The file.
        model: Class of the model that is to be continued.

    Raises:
        ValueError: If it holds weights alone, or is of another program or
            model.
    """
    missing = [part for part in _PARTS if part not in checkpoint]
    if missing:
        has = 'weights' if 'state_dict' in checkpoint else 'no weights'
        raise ValueError(
            f'{path} is not the checkpoint of a training run: it holds {has} '
            f'and lacks {", ".join(missing)}. --resume takes an epoch_N.pth, '
            'iter_N.pth or interim.pth of the same run; to begin a new run '
            'from weights, set load_from (detectors) or --init (pretraining).'
        )
    with part_of(path, 'meta'):
        record = _checked_record(checkpoint['meta'])
        _check_seeds(checkpoint['meta'])
    if record is not None and record.model != model:
        raise ValueError(
            f'{path} is the checkpoint of a run that trained '
            f'{record.model}, but this config trains {model}. Resume it with '
            'its own config.'
        )


def _checked_record(meta: Mapping) -> RunRecord | None:
    """Read the record of a run; raise TypeError on numbers that are none."""
    record = RunRecord.from_meta(meta)
    counts = {name: (meta[name], 0) for name in ('iter', 'epoch')}
    if record is not None:
        if not isinstance(record.settings, Mapping):
            raise TypeError(f'settings is {record.settings!r}')
        counts |= {
            name: (getattr(record, name), 1)
            for name in ('images', 'batch', 'processes', 'epoch_length')
        }
    for name, (value, least) in counts.items():
        if type(value) is not int or value < least:
            raise TypeError(
                f'{name} is {value!r}, expected an integer of {least} or more'
            )
    return record


def _check_seeds(meta: Mapping) -> None:
    """Raise TypeError on seeds that no generator takes."""
    for name in ('seed', SAMPLER_SEED):
        seed = meta.get(name)
        if seed is not None and not (
            type(seed) is int and 0 <= seed <= MAX_SEED
        ):
            raise TypeError(
                f'{name} is {seed!r}, expected an integer of 0 to {MAX_SEED}'
            )


def check_position(meta: Mapping, epoch_length: int | None) -> None:
    """Raise TypeError if epochs and iterations of a run contradict.

    Args:
        meta: Of a checkpoint of an epoch-based run.
        epoch_length: Its iterations of an epoch; None if that is not known.
    """
    epoch, iters = meta['epoch'], meta['iter']
    least = epoch * (epoch_length or 1)
    most = (epoch + 1) * epoch_length if epoch_length else iters
    if not least <= iters <= most:
        raise TypeError(
            f'after {epoch} epochs it has {iters} iterations, expected '
            f'{least} or more' + (f', up to {most}' if epoch_length else '')
        )


def load_weights(model: nn.Module, state: Mapping, path: str) -> None:
    """Load the weights of the same model.

    Args:
        model: Not wrapped.
        state: Tensors by name.
        path: Their file.

    Raises:
        ValueError: If a name or shape of model or file has no counterpart.
    """
    own = model.state_dict()
    problems = [
        *(f'{name} is not in the file' for name in own if name not in state),
        *(f'{name} is not in the model' for name in state if name not in own),
        *(
            f'{name} is {_outline(state[name])} in the file and '
            f'{_outline(tensor)} in the model'
            for name, tensor in own.items()
            # Torch would turn fractions into integers and back in silence.
            if name in state and _outline(state[name]) != _outline(tensor)
        ),
    ]
    if problems:
        more = len(problems) - _NAMED
        raise ValueError(
            f'{path} is of another model than this config: '
            + '; '.join(problems[:_NAMED])
            + (f'; and {more} more' if more > 0 else '')
            + '. Resume it with its own config.'
        )
    model.load_state_dict(state)


def _outline(tensor: torch.Tensor) -> str:
    """Describe what two tensors have in common if one replaces the other."""
    kind = '' if tensor.layout is torch.strided else f', {tensor.layout}'
    return f'{tuple(tensor.shape)} of {tensor.dtype}{kind}'


def load_optimizer(
    wrapper: OptimWrapper,
    model: nn.Module,
    state: dict,
    path: str,
    groups: Sequence | None,
) -> None:
    """Load the state of the optimizer.

    Args:
        wrapper: Changed.
        model: Not wrapped; names the parameters in messages.
        state: What the file holds of it.
        path: The file.
        groups: Options of the parameter groups that replace those of the
            file, see `group_options`; None keeps the file's.

    Raises:
        ValueError: If it is the state of other parameters.
    """
    expected = group_options(wrapper)
    if not state.get('loss_scaler', True):
        # A run without loss scaling; fp16 begins with its own scale.
        state = {k: v for k, v in state.items() if k != 'loss_scaler'}
    try:
        wrapper.load_state_dict(state)
    except (ValueError, KeyError) as error:
        raise ValueError(
            f'{path} holds the optimizer of other parameters ({error}). '
            'Resume it with its own config.'
        ) from error
    problem = _option_problem(expected, wrapper) or _state_problem(
        wrapper.optimizer, {p: name for name, p in model.named_parameters()}
    )
    if problem:
        raise ValueError(
            f'{path} holds the optimizer of other parameters: {problem}. '
            'Resume it with its own config, or an earlier checkpoint '
            '(--resume CHECKPOINT).'
        )
    if groups is not None:
        for group, options in zip(wrapper.param_groups, groups, strict=True):
            group.update(options)


def _option_problem(expected: list[dict], wrapper: OptimWrapper) -> str:
    """Say which option of a parameter group is not there or no number."""
    for number, group in enumerate(wrapper.param_groups):
        for name, value in expected[number].items():
            # Schedules set it.
            if name == 'initial_lr' or not isinstance(value, int | float):
                continue
            loaded = group.get(name)
            if isinstance(value, bool):
                expected_kind, fits = 'True or False', type(loaded) is bool
            else:
                expected_kind = 'a finite number of at least 0'
                fits = is_number(loaded) and 0 <= loaded < math.inf
            if not fits:
                return (
                    f'{name} of group {number} is {loaded!r}, expected '
                    f'{expected_kind}'
                )
    return ''


def _state_problem(
    optimizer: Optimizer, names: Mapping[nn.Parameter, str]
) -> str:
    """Say what of a loaded state would stop, or slip past, the first step."""
    kept = {
        name
        for state in optimizer.state.values()
        for name in _SHAPED & set(state)
        if state[name] is not None
    }
    for parameter, state in optimizer.state.items():
        if isinstance(parameter, int):
            return f'it has the state of a parameter {parameter} in no group'
        for name in sorted(kept):
            value = state.get(name)
            where = f'{name} of {names.get(parameter, "a parameter")}'
            if value is None:
                return f'{where} is missing'
            if not isinstance(value, torch.Tensor):
                return f'{where} is a {type(value).__name__}, not a tensor'
            if value.shape != parameter.shape:
                return (
                    f'{where} is {tuple(value.shape)}, expected '
                    f'{tuple(parameter.shape)}'
                )
    has_memory = any(
        group.get('momentum') or 'betas' in group
        for group in optimizer.param_groups
    )
    if has_memory and not kept:
        return 'it has no state of any parameter'
    return ''


def group_options(optimizer: Optimizer | OptimWrapper) -> list[dict]:
    """Copy the options of each parameter group (rate, decay, momentum)."""
    return [
        {key: value for key, value in group.items() if key != 'params'}
        for group in optimizer.param_groups
    ]


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
    """Bring fresh schedules to a place, as the run would have done.

    Args:
        schedulers: At their start; changed.
        iters: Iterations made.
        epochs: Epochs that were ended.
        epoch_length: Iterations of an epoch.
    """
    schedulers = list(schedulers)
    with warnings.catch_warnings():
        # No step of the optimizer lies between these.
        warnings.simplefilter('ignore', UserWarning)
        for done in range(1, iters + 1):
            for scheduler in schedulers:
                if not scheduler.by_epoch:
                    scheduler.step()
            if done % epoch_length == 0 and done // epoch_length <= epochs:
                for scheduler in schedulers:
                    if scheduler.by_epoch:
                        scheduler.step()


def flat_schedulers(schedulers: Any) -> list[_ParamScheduler]:
    """List the schedulers of a runner, which may be by optimizer, or none."""
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
    """Raise TypeError on values with which a schedule could not go on."""
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
