"""Layers that keep no activations, and compute them again when needed."""

from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


class RecomputedForward:
    """Replaces the ``forward`` of a layer whose activations are dropped.

    It holds the layer itself, so that a copy of the model, an average of it
    or a pickle computes with its own layer.

    Args:
        layer: A module; set its ``forward`` to this object.
    """

    def __init__(self, layer: nn.Module) -> None:
        self.layer = layer

    # Compiled, the recomputed batch norm would need running statistics that
    # another view has moved since.
    @torch.compiler.disable
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the layer; keep its inputs alone for the backward pass."""
        # The reentrant form fails in distributed training, where each view
        # runs through the same layers.
        return checkpoint(
            type(self.layer).forward,
            self.layer,
            *args,
            use_reentrant=False,
            **kwargs,
        )
