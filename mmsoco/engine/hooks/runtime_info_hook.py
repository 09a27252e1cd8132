"""Copy logged values from the device without waiting for them."""

import math
from collections import deque
from typing import Any

import torch
from mmengine.hooks import RuntimeInfoHook
from mmengine.runner import Runner
from torch import Tensor

from mmsoco.registry import HOOKS


class LoggedValues:
    """Logged values of a model that are being copied to the host.

    All tensors are copied as one, which starts at once and is awaited in
    :meth:`arrived`.

    Args:
        outputs: scalars by name: tensors of one element, or numbers.

    Attributes:
        is_travelling: whether :meth:`arrived` may have to wait for a GPU.
    """

    def __init__(self, outputs: dict[str, Any]) -> None:
        self._numbers: dict[str, Any] = {}
        tensors: dict[str, Tensor] = {}
        for name, value in outputs.items():
            kind = tensors if isinstance(value, Tensor) else self._numbers
            kind[name] = value
        self._names = list(tensors)
        devices = {t.device for t in tensors.values() if t.is_cuda}
        self.is_travelling = bool(devices)
        if tensors:
            # A model may log values on the host among those on its GPU.
            device = devices.pop() if devices else torch.device('cpu')
            values = [
                t.detach().to(device, torch.float32).flatten()
                for t in tensors.values()
            ]
            # Into pinned memory, so that the host need not wait for the GPU.
            self._on_host = torch.cat(values).to('cpu', non_blocking=True)
        if self.is_travelling:
            self._arrival = torch.cuda.Event()
            self._arrival.record()

    def arrived(self) -> dict[str, Any]:
        """Wait for the values and return them by name, as numbers."""
        if self.is_travelling:
            self._arrival.synchronize()
        values = self._on_host.tolist() if self._names else []
        return self._numbers | dict(zip(self._names, values, strict=True))


@HOOKS.register_module()
class DeferredRuntimeInfoHook(RuntimeInfoHook):
    """mmengine's hook, but values on a GPU enter the log one iteration late.

    If the logged scalars were read at once, the host would wait until the
    device has finished the step, and the device would then be idle until the
    host has prepared the next one. Here, the host continues with the next
    batch, and is never more than one step ahead. The hook waits for the values
    of the first iteration of an epoch and, at its end, of the last one, so
    that none is lost; on a CPU there is nothing to wait for.
    """

    def before_train(self, runner: Runner) -> None:
        """Start without any values.

        See Hook.before_train.
        """
        super().before_train(runner)
        self._pending: deque[LoggedValues] = deque()

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict | None = None,
    ) -> None:
        """Start copying this iteration's values, and log earlier ones.

        See Hook.after_train_iter.
        """
        if outputs is None:
            return
        values = LoggedValues(outputs)
        self._pending.append(values)
        self._enter(
            runner, all_but=int(values.is_travelling and batch_idx > 0)
        )

    def after_train_epoch(self, runner: Runner) -> None:
        """Log all values, before the checkpoint is written.

        See Hook.after_train_epoch.
        """
        self._enter(runner, all_but=0)

    def _enter(self, runner: Runner, all_but: int) -> None:
        """Move finite values to the message hub, except the newest."""
        while len(self._pending) > all_but:
            for name, value in self._pending.popleft().arrived().items():
                # One NaN would make the logged means NaN for a whole window;
                # `FiniteHook` counts and names such steps.
                if math.isfinite(value):
                    runner.message_hub.update_scalar(f'train/{name}', value)
