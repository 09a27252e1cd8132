"""Mixed precision on every device."""

from typing import Any

import torch
from mmengine.device import get_device
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from torch.optim import Optimizer

from mmsoco.registry import OPTIM_WRAPPERS

DTYPES = {'bf16': torch.bfloat16, 'fp16': torch.float16}


@OPTIM_WRAPPERS.register_module()
class MixedPrecisionOptimWrapper(AmpOptimWrapper):
    """mmengine's mixed precision, which also runs on a CPU.

    mmengine's own class refuses to start without an accelerator, and always
    scales the loss. bf16 has the exponents of float32 and needs no scaling;
    fp16 gets dynamic loss scaling.

    Args:
        precision: ``'bf16'`` or ``'fp16'``.
        optimizer: the optimizer that is wrapped.
        accumulative_counts: iterations whose gradients make one step.
        clip_grad: arguments of ``torch.nn.utils.clip_grad_norm_``.

    Raises:
        ValueError: If the precision is unknown, or is fp16 on a CPU.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        precision: str = 'bf16',
        accumulative_counts: int = 1,
        clip_grad: dict | None = None,
    ) -> None:
        check_precision(precision, get_device())
        # Skip AmpOptimWrapper's constructor, which requires an accelerator.
        OptimWrapper.__init__(self, optimizer, accumulative_counts, clip_grad)
        self.cast_dtype = DTYPES[precision]
        self._scale_update_param = None
        self.loss_scaler = torch.amp.GradScaler(
            get_device(), enabled=precision == 'fp16'
        )

    def step(self, **kwargs: Any) -> None:
        """Make one optimizer step; see :meth:`AmpOptimWrapper.step`."""
        if self.loss_scaler.is_enabled():
            super().step(**kwargs)
        else:
            OptimWrapper.step(self, **kwargs)


def check_precision(precision: str, device: str) -> None:
    """Refuse a precision that the device cannot train in.

    Args:
        precision: ``'bf16'`` or ``'fp16'``.
        device: kind of device, such as ``'cpu'`` or ``'cuda'``.

    Raises:
        ValueError: If the precision is unknown, or is fp16 on a CPU.
    """
    if precision not in DTYPES:
        raise ValueError(
            f'Mixed precision expects one of {sorted(DTYPES)}, but got '
            f'{precision!r}.'
        )
    if precision == 'fp16' and device == 'cpu':
        raise ValueError(
            'Mixed precision in fp16 needs a GPU, but this run is on the '
            'CPU. Use bf16 (--amp bf16), or train in full precision.'
        )
