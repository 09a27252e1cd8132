"""One call of a layer for several batches, where the result stays the same."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn


def has_batch_statistics(module: nn.Module) -> bool:
    """Return whether the result of a row depends on the other rows.

    That is so for batch norm in training, synchronized or not. Layers that
    keep running statistics of another kind count too, since a call of two
    batches moves the statistics once instead of twice.

    Args:
        module: A layer, or a stack of layers.
    """
    return any(
        hasattr(layer, 'running_mean')
        and (layer.training or layer.running_mean is None)
        for layer in module.modules()
    )


def call_with_each(
    module: nn.Module,
    batches: Sequence[Tensor],
    call: Callable[[Tensor], Tensor],
) -> Sequence[Tensor]:
    """Pass batches through a module as if one after the other.

    They go through in one call where `has_batch_statistics` allows it.

    Args:
        module: What is called, to decide.
        batches: (R_b, ...) each, of the same shape except for R_b.
        call: Calls the module with (R, ...) and returns (R, ...).

    Returns:
        The output of each batch.
    """
    if len(batches) == 1 or has_batch_statistics(module):
        return [call(batch) for batch in batches]
    return call(torch.cat(tuple(batches))).split([len(b) for b in batches])
