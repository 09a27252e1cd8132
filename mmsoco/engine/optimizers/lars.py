"""Layer-wise adaptive rate scaling, for large batches."""

import itertools
import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from mmsoco.engine.optimizers.finite_steps import zero_if
from mmsoco.registry import OPTIMIZERS

# Elements of a row of `FlatBuffer`; the last row of a tensor is padded.
ROW = 1024
# Keeps the trust ratio finite when a gradient is almost zero.
EPS = 1e-8
_OPTIONS = ('lr', 'momentum', 'weight_decay', 'trust_coefficient')


class FlatBuffer:
    """Memory for a list of tensors, scaled tensor by tensor in one call.

    PyTorch has no multi-tensor operation on a GPU for a factor per tensor that
    is on the device; it would start one kernel per tensor. Here, the tensors
    share a buffer, each of whose rows belongs to one tensor, so the factors
    are a column.

    Args:
        tensors: templates of the views, all of one type and device.

    Attributes:
        views: tensors of the same shapes and strides in the buffer.
    """

    def __init__(self, tensors: list[Tensor]) -> None:
        rows = [-(-t.numel() // ROW) for t in tensors]
        owners = torch.arange(len(rows)).repeat_interleave(torch.tensor(rows))
        self.owners = owners.to(tensors[0].device)  # (sum of rows,)
        self.buffer = tensors[0].new_zeros(len(owners), ROW)
        starts = itertools.accumulate(rows, initial=0)
        self.views = [
            self.buffer.as_strided(t.shape, _dense_strides(t), start * ROW)
            for t, start in zip(tensors, starts, strict=False)
        ]

    def scale(self, factors: Tensor) -> None:
        """Multiply each tensor with its factor, in place.

        Args:
            factors: (number of tensors,).
        """
        self.buffer.mul_(factors[self.owners][:, None])


def _dense_strides(tensor: Tensor) -> tuple[int, ...]:
    """Return the strides of a tensor, or dense ones if it has gaps."""
    for memory_format in (torch.contiguous_format, torch.channels_last):
        if tensor.is_contiguous(memory_format=memory_format):
            return tensor.stride()
    return torch.empty(tensor.shape, device='meta').stride()


def scale_layerwise(
    params: list[Tensor],
    grads: list[Tensor],
    weight_decay: float,
    trust_coefficient: float,
    memory: FlatBuffer | None = None,
) -> list[Tensor]:
    """Add weight decay and give each gradient the size of its parameter.

    Per tensor, with ``d = g + weight_decay * p``::

        d * trust_coefficient * |p| / |d|     (d itself where a norm is 0)

    A layer whose gradient is zero does not change. Otherwise the rule would
    scale even a small weight decay to a full step: the convolution of a
    pyramid level without boxes shrank from norm 4.6 to 0.1 within 625 steps.

    The norms stay on the device, so that nothing waits for it.

    Args:
        params: the parameters, of any shape.
        grads: their gradients, of the same shapes; left unchanged.
        weight_decay: factor of the parameter in the gradient.
        trust_coefficient: size of an update relative to its parameter.
        memory: where to put the result; new memory if None.

    Returns:
        The scaled gradients, of the same shapes, in ``memory``.
    """
    memory = memory or FlatBuffer(params)
    decayed = memory.views
    torch._foreach_copy_(decayed, grads)
    torch._foreach_add_(decayed, params, alpha=weight_decay)
    param_norms = torch.stack(torch._foreach_norm(params))  # (N,)
    grad_norms = torch.stack(torch._foreach_norm(decayed))  # (N,)
    ratios = trust_coefficient * param_norms / (grad_norms + EPS)
    both_positive = (param_norms > 0) & (grad_norms > 0)
    factors = torch.where(both_positive, ratios, 1.0)
    has_gradient = torch.stack(torch._foreach_norm(grads)) > 0
    memory.scale(torch.where(has_gradient, factors, 0.0))
    return decayed


@OPTIMIZERS.register_module()
class LARS(Optimizer):
    """SGD with momentum whose step is scaled per layer (LARS).

    You et al., "Large Batch Training of Convolutional Networks",
    arXiv 1708.03888. With the scaled gradient ``d`` of
    :func:`scale_layerwise`::

        v = momentum * v + d
        p = p - lr * v

    One-dimensional parameters (biases, norms) get neither weight decay nor
    trust ratio: for them ``d`` is the gradient. All tensors are updated by a
    handful of multi-tensor calls, without waiting for the device.

    Args:
        params: parameters or parameter groups.
        lr: learning rate; the paper's recipe has 1.0 at batch 256.
        momentum: factor of the past updates.
        weight_decay: L2 penalty, within the trust ratio.
        trust_coefficient: size of an update relative to its parameter at a
            learning rate of 1.

    Attributes:
        skip_if: None, or a scalar tensor on the device: if it is above 0, a
            step does not change parameters and velocities. Nothing waits for
            it.

    Raises:
        ValueError: If a hyperparameter is negative or not finite.
    """

    skip_if: Tensor | None = None

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float,
        momentum: float = 0.9,
        weight_decay: float = 1e-5,
        trust_coefficient: float = 1e-3,
    ) -> None:
        defaults = dict(
            lr=lr,
            momentum=momentum,
            weight_decay=weight_decay,
            trust_coefficient=trust_coefficient,
        )
        for name, value in defaults.items():
            if not 0 <= value < math.inf:
                raise ValueError(
                    f'LARS expects a finite {name} >= 0, but got '
                    f'{name}={value}.'
                )
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(
        self, closure: Callable[[], Tensor] | None = None
    ) -> Tensor | None:
        """Update every parameter that has a gradient.

        Args:
            closure: evaluates the model again and returns the loss.

        Returns:
            The loss of ``closure``, or None without one.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for number, group in enumerate(self._joined_groups()):
            self._step_group(number, group)
        return loss

    def _joined_groups(self) -> list[dict[str, Any]]:
        """Join the parameters of equal options, type and device.

        With ``paramwise_cfg``, mmengine makes a group of each parameter, so
        that multi-tensor calls for one group would save nothing.
        """
        joined: dict[tuple, list[Tensor]] = {}
        for group in self.param_groups:
            options = [group[name] for name in _OPTIONS]
            for param in group['params']:
                kind = (*options, param.dtype, param.device)
                joined.setdefault(kind, []).append(param)
        return [
            dict(zip(_OPTIONS, kind, strict=False), params=params)
            for kind, params in joined.items()
        ]

    def _step_group(self, number: int, group: dict[str, Any]) -> None:
        params = [p for p in group['params'] if p.grad is not None]
        layers = [p for p in params if p.ndim > 1]
        vectors = [p for p in params if p.ndim <= 1]
        if self.skip_if is not None:
            zero_if([p.grad for p in (*vectors, *layers)], self.skip_if)
        updates = [p.grad for p in vectors]
        if layers:
            updates += scale_layerwise(
                layers,
                [p.grad for p in layers],
                group['weight_decay'],
                group['trust_coefficient'],
                self._memory(number, layers),
            )
        params = vectors + layers
        if not params:
            return
        velocities = [self._velocity(p) for p in params]
        if self.skip_if is not None:
            take = (self.skip_if <= 0).to(params[0].dtype)
            self._step_gated(params, velocities, updates, group, take)
            return
        torch._foreach_mul_(velocities, group['momentum'])
        torch._foreach_add_(velocities, updates)
        torch._foreach_add_(params, velocities, alpha=-group['lr'])

    def _step_gated(
        self,
        params: list[Tensor],
        velocities: list[Tensor],
        updates: list[Tensor],
        group: dict[str, Any],
        take: Tensor,
    ) -> None:
        """Step where ``take`` is 1, with updates that are finite."""
        torch._foreach_mul_(velocities, 1 - take * (1 - group['momentum']))
        torch._foreach_mul_(updates, take)  # weight decay is left
        torch._foreach_add_(velocities, updates)
        steps = torch._foreach_mul(velocities, -group['lr'] * take)
        torch._foreach_add_(params, steps)

    def _velocity(self, param: Tensor) -> Tensor:
        state = self.state[param]
        if 'momentum_buffer' not in state:
            state['momentum_buffer'] = torch.zeros_like(param)
        return state['momentum_buffer']

    def _memory(self, number: int, layers: list[Tensor]) -> FlatBuffer:
        """Keep one buffer per parameter group, from step to step."""
        # Not part of the state: it is neither saved nor copied.
        kept = self.__dict__.setdefault('_kept_memory', {})
        owners, memory = kept.get(number, ((), None))
        same = len(owners) == len(layers) and all(
            owner is layer for owner, layer in zip(owners, layers, strict=True)
        )
        if not same:  # other parameters have gradients, or were added
            memory = FlatBuffer(layers)
            kept[number] = (tuple(layers), memory)
        return memory
