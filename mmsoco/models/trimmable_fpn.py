"""A feature pyramid that need not be computed as a whole."""

from collections.abc import Sequence

from mmdet.models.necks import FPN
from torch import Tensor


class TrimmableFPN(FPN):
    """mmdet's FPN, which can go without its finest maps.

    Maps are made from coarse to fine, so the coarser ones do not miss those
    that are left out: their values, gradients and batch-norm statistics stay
    the same. The finest map costs three quarters of the pyramid.
    """

    def forward(
        self, inputs: Sequence[Tensor], finest: int = 0
    ) -> tuple[Tensor | None, ...]:
        """Computes the pyramid from its finest map that is wanted.

        Args:
            inputs: (N, C_l, H_l, W_l) per level of the backbone.
            finest: First map to compute, counted from 0. The coarsest map of
                the backbone, and those beyond it, are always computed.

        Returns:
            (N, C, H_l, W_l) per level; None for those left out.
        """
        finest = min(finest, len(self.lateral_convs) - 1)
        return (None,) * finest + FPN.forward(_Rest(self, finest), inputs)


class _Rest:
    """A pyramid without its finest levels: one that starts higher up.

    It has what mmdet's forward reads, in a class that ``torch.compile`` can
    look through.
    """

    def __init__(self, fpn: FPN, finest: int) -> None:
        self.in_channels = fpn.in_channels
        self.start_level = fpn.start_level + finest
        self.backbone_end_level = fpn.backbone_end_level
        self.num_outs = fpn.num_outs - finest
        self.lateral_convs = list(fpn.lateral_convs)[finest:]
        self.fpn_convs = list(fpn.fpn_convs)[finest:]
        self.upsample_cfg = fpn.upsample_cfg
        self.add_extra_convs = fpn.add_extra_convs
        self.relu_before_extra_convs = fpn.relu_before_extra_convs
