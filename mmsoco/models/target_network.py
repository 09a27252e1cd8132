"""The slowly moving copy of the online network."""

import copy

import torch
from mmengine.model import BaseModule
from torch import nn


class TargetNetwork(BaseModule):
    """Encoder and projector whose weights follow the online ones.

    The parameters are a copy of the online ones at the start and change only
    in :meth:`update`. Batch norm runs in training mode with the target's own
    batch statistics, as in the published code; its running statistics are
    therefore its own too, not averaged.

    Args:
        encoder: The online object encoder.
        projector: The online projector.
    """

    def __init__(self, encoder: nn.Module, projector: nn.Module) -> None:
        super().__init__()
        self.encoder = copy.deepcopy(encoder)
        self.projector = copy.deepcopy(projector)
        self.requires_grad_(False)
        # A tuple, so that the online modules do not become children.
        self._online = (encoder, projector)

    def init_weights(self) -> None:
        """Start as a copy of the online network (initialized before)."""
        self.copy_online()

    @torch.no_grad()
    def copy_online(self) -> None:
        """Make parameters and running statistics equal to the online ones."""
        pairs = zip((self.encoder, self.projector), self._online, strict=True)
        for own, online in pairs:
            own.load_state_dict(online.state_dict())

    @torch.no_grad()
    def update(self, momentum: float) -> None:
        """Move the parameters towards the online ones.

        target = momentum * target + (1 - momentum) * online

        Args:
            momentum: Share of the OLD target that is kept, in [0, 1]
                (mmengine's averaged models call the share of the NEW value
                so).

        Raises:
            ValueError: If ``momentum`` lies outside of [0, 1].
        """
        if not 0 <= momentum <= 1:
            raise ValueError(
                'momentum is the share of the target that is kept and lies '
                f'in [0, 1], got {momentum}'
            )
        online = [p for m in self._online for p in m.parameters()]
        torch._foreach_lerp_(
            list(self.parameters()), online, weight=1 - momentum
        )
