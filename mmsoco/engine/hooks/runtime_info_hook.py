"""Takes what the model logs from the device without waiting for it."""

from collections import deque
from typing import Any

import torch
from mmengine.hooks import RuntimeInfoHook
from mmengine.runner import Runner
from torch import Tensor

from mmsoco.registry import HOOKS


class LoggedValues:
    """Values that a model logged, on their way to the host.

    All tensors travel as one, begun at once and awaited in :meth:`arrived`.

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
            # A model may log a value of the host among those of its GPU.
            device = devices.pop() if devices else torch.device('cpu')
            values = [
                t.detach().to(device, torch.float32).flatten()
                for t in tensors.values()
            ]
            # From a GPU into pinned memory, so that the host need not wait.
            self._on_host = torch.cat(values).to('cpu', non_blocking=True)
        if self.is_travelling:
            self._arrival = torch.cuda.Event()
            self._arrival.record()

    def arrived(self) -> dict[str, Any]:
        """Wait for the values and give them by name, as numbers."""
        if self.is_travelling:
            self._arrival.synchronize()
        values = self._on_host.tolist() if self._names else []
        return self._numbers | dict(zip(self._names, values, strict=True))


@HOOKS.register_module()
class DeferredRuntimeInfoHook(RuntimeInfoHook):
    """mmengine's hook, but values on a GPU enter the log one iteration late.

    Read at once, each of the logged scalars makes the host wait until the
    device has finished the step; the device is then idle until the host has
    prepared the next one. Here the host moves on to the next batch meanwhile,
    and is never more than one step ahead.
    Values of the first iteration and, at its end, of the last one of an epoch
    are waited for, so none is lost; on a CPU there is nothing to wait for.
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
        """Send for this iteration's values and enter earlier ones.

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
        """Enter all values; the checkpoint is written after this.

        See Hook.after_train_epoch.
        """
        self._enter(runner, all_but=0)

    def _enter(self, runner: Runner, all_but: int) -> None:
        """Move values, but the newest, to the message hub."""
        while len(self._pending) > all_but:
            for name, value in self._pending.popleft().arrived().items():
                runner.message_hub.update_scalar(f'train/{name}', value)
