"""Load the state of an optimizer from the checkpoint of a run."""

import math
from collections.abc import Mapping, Sequence

import torch
from mmengine.optim import OptimWrapper
from torch import nn
from torch.optim import Optimizer, RMSprop

from mmsoco.engine.values import is_number

# States of optimizers that have the shape of their parameter.
_SHAPED = frozenset(
    'momentum_buffer exp_avg exp_avg_sq max_exp_avg_sq exp_inf square_avg '
    'grad_avg acc_delta sum prev step_size'.split()
)


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
    problem = '' if groups else _option_problem(expected, wrapper)
    problem = problem or _state_problem(
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
    _begin_momentum(wrapper.optimizer)


def _begin_momentum(optimizer: Optimizer) -> None:
    """Let momentum that a run turns on when it resumes begin at zero.

    The other optimizers begin a missing buffer themselves.
    """
    if not isinstance(optimizer, RMSprop):
        return
    for group in optimizer.param_groups:
        for parameter in group['params'] if group['momentum'] else ():
            state = optimizer.state.get(parameter)
            if state:
                zeros = torch.zeros_like(state['square_avg'])
                state.setdefault('momentum_buffer', zeros)


def _option_problem(expected: list[dict], wrapper: OptimWrapper) -> str:
    """Say which option of a parameter group is missing or not a number."""
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
    """Find values of a loaded state that would fail in a step."""
    kept = {
        name
        for state in optimizer.state.values()
        for name in _SHAPED & set(state)
        if state[name] is not None
    }
    for parameter, state in optimizer.state.items():
        if isinstance(parameter, int):
            return f'parameter {parameter} of its state is in no group'
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
