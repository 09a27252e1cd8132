"""Take an optimizer step only if loss and gradients are finite."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import Tensor, nn

from mmsoco.engine.errors import TrainingFailedError

_LARGEST = torch.finfo(torch.float32).max
# Integers of the size of a float: a NaN's bits times 0 are the bits of 0.
_BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def guard_steps(wrapper: OptimWrapper) -> OptimWrapper:
    """Make an optimizer wrapper of any class skip steps that are not finite.

    Args:
        wrapper: Changed: it gets a class that inherits from `FiniteSteps`
            and from its own.

    Returns:
        The wrapper.
    """
    if isinstance(wrapper, OptimWrapperDict):
        for part in wrapper.values():
            guard_steps(part)
    elif isinstance(wrapper, OptimWrapper) and not isinstance(
        wrapper, FiniteSteps
    ):
        kind: type = type(wrapper)
        wrapper.__class__ = _guarded(kind)
    return wrapper


@cache
def _guarded(kind: type) -> type:
    """Derive the class of guarded wrappers from that of others."""
    return type(f'Finite{kind.__name__}', (FiniteSteps, kind), {})


class FiniteSteps(OptimWrapper):
    """The part of an optimizer wrapper that skips steps that are not finite.

    A step whose loss or gradients contain NaN or infinity is skipped: weights
    and the optimizer's state do not change, and buffers that the forward
    passes have changed (statistics of batch norm) are restored. The same
    applies to buffers that overflow while the loss is finite, since batch norm
    then returns 0. In a distributed run, all processes decide the same, since
    gradients are averaged, and a loss or buffer that is not finite makes all
    gradients so.

    On a GPU, nothing waits for the device if the optimizer can skip there
    (`LARS.skip_if`); the host gets the outcome from `take_flags`, one
    iteration late. Loss scaling (fp16) skips steps by itself; they are counted
    here. With other optimizers, the host checks before each step.
    """

    _flags: list[Tensor] | None = None
    _buffers: 'KeptBuffers | None' = None

    @property
    def scales_loss(self) -> bool:
        """Whether dynamic loss scaling skips steps now and then."""
        scaler = getattr(self, 'loss_scaler', None)
        return scaler is not None and scaler.is_enabled()

    def take_flags(self) -> list[Tensor]:
        """Return the flags of steps since the last call.

        Returns:
            Per step a scalar tensor, above 0 if it was skipped.
        """
        flags, self._flags = self._flags or [], None
        return flags

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Keep the buffers before the first forward pass of a step."""
        if self._inner_count % self._accumulative_counts == 0:
            if self._buffers is None:
                self._buffers = KeptBuffers(model)
            self._buffers.keep()
        with super().optim_context(model):
            yield

    def update_params(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Backpropagate, and make a step if it is time; see mmengine."""
        # The factor is 1, or NaN if the loss or a buffer is not finite, so
        # that the gradients are NaN on every rank.
        factor = 1 + 0 * loss.detach()
        if self._buffers is not None:
            overflow = self._buffers.not_finite_flag().to(factor.device)
            factor = factor.masked_fill(overflow > 0, math.nan)
        super().update_params(loss * factor, *args, **kwargs)

    def step(self, **kwargs: Any) -> None:
        """Take the step, unless it is not finite.

        Raises:
            TrainingFailedError: If a rate is not, which spoils all weights.
        """
        groups = self.optimizer.param_groups
        _refuse_rates(groups)
        flag = not_finite_flag(
            p.grad for group in groups for p in group['params']
        )
        if self.scales_loss:
            super().step(**kwargs)
        elif flag.is_cuda and hasattr(self.optimizer, 'skip_if'):
            self.optimizer.skip_if = flag
            super().step(**kwargs)
            self.optimizer.skip_if = None
        elif not flag.item():
            super().step(**kwargs)
        if self._buffers is not None:
            self._buffers.put_back_if(flag)
        self._flags = [*(self._flags or []), flag]


def _refuse_rates(groups: Iterable[Mapping]) -> None:
    """Refuse what schedules and multipliers have made of the rates.

    Args:
        groups: Of an optimizer.

    Raises:
        TrainingFailedError: If a rate is NaN, or float32 does not hold it.
    """
    for group in groups:
        for name in ('lr', 'weight_decay'):
            rate = group.get(name)
            # A tensor on a GPU is not worth waiting for.
            if isinstance(rate, float) and not abs(rate) <= _LARGEST:
                raise TrainingFailedError(
                    f'{name} has become {rate:g}, and the step would leave no '
                    'finite weight; it was not taken. Look at param_scheduler '
                    f'and optim_wrapper (optimizer.{name}, paramwise_cfg).'
                )


class KeptBuffers:
    """A copy of a model's buffers, to undo a forward pass.

    Args:
        model: Its buffers must stay the same tensors.
    """

    def __init__(self, model: nn.Module) -> None:
        buffers = [
            b.detach() for b in model.buffers() if b.element_size() in _BITS
        ]
        by_kind: dict[tuple, list[Tensor]] = {}
        for buffer in buffers:
            bits = buffer.view(_BITS[buffer.element_size()])
            by_kind.setdefault((bits.dtype, bits.device), []).append(bits)
        self._live = list(by_kind.values())
        self._kept = [[b.clone() for b in bits] for bits in self._live]
        # A mask may hold infinity from the start.
        self._finite = [
            b
            for b in buffers
            if b.is_floating_point() and torch.isfinite(b).all()
        ]

    def keep(self) -> None:
        """Copy the current buffers."""
        for live, kept in zip(self._live, self._kept, strict=True):
            torch._foreach_copy_(kept, live)

    def not_finite_flag(self) -> Tensor:
        """Return 1 if a buffer that was finite is not, as a scalar."""
        return not_finite_flag(self._finite)

    def put_back_if(self, flag: Tensor) -> None:
        """Restore the copy if a flag is set.

        Args:
            flag: Scalar; above 0 if set.
        """
        if not self._live:
            return
        flag = flag.to(self._live[0][0].device)
        if not flag.is_cuda and not flag.item():
            return
        for live, kept in zip(self._live, self._kept, strict=True):
            undo = (flag > 0).to(live[0].dtype)
            torch._foreach_mul_(live, 1 - undo)
            torch._foreach_add_(live, torch._foreach_mul(kept, undo))


def not_finite_flag(tensors: Iterable[Tensor | None]) -> Tensor:
    """Return whether tensors hold NaN or infinity, without waiting for it.

    Args:
        tensors: Tensors on one device; None is left out.

    Returns:
        A scalar on that device: 1 if there is such a value, else 0.
    """
    dense = [_values(t) for t in tensors if t is not None and t.numel()]
    if not dense:
        return torch.zeros(())
    device = dense[0].device
    flag = torch.zeros((), device=device)
    by_dtype: dict[torch.dtype, list[Tensor]] = {}
    for tensor in dense:
        by_dtype.setdefault(tensor.dtype, []).append(tensor)
    one = torch.ones((), device=device)
    for group in by_dtype.values():
        torch._amp_foreach_non_finite_check_and_unscale_(group, flag, one)
    return flag


def _values(tensor: Tensor) -> Tensor:
    """Return the numbers of a tensor, which may be sparse."""
    tensor = tensor.detach()
    return tensor.coalesce().values() if tensor.is_sparse else tensor


def zero_if(tensors: Sequence[Tensor], flag: Tensor) -> None:
    """Set tensors to zero if a flag is set, including NaN and infinity.

    Args:
        tensors: Floating point, of one type; changed.
        flag: Scalar on their device; above 0 if set.
    """
    if not tensors:
        return
    bits = [t.view(_BITS[t.element_size()]) for t in tensors]
    torch._foreach_mul_(bits, (flag <= 0).to(bits[0].dtype))
