"""A feature pyramid that can be computed without its finest maps."""

from collections.abc import Iterator, Sequence

import torch.nn.functional as F
from mmdet.models.necks import FPN
from torch import Tensor


class TrimmableFPN(FPN):
    """mmdet's FPN, which can leave out its finest maps.

    Maps are made from coarse to fine, so the coarser ones do not depend on
    those that are left out: their values, gradients and batch-norm statistics
    stay the same. The finest map costs three quarters of the pyramid.
    """

    def forward(
        self, inputs: Sequence[Tensor], finest: int = 0
    ) -> tuple[Tensor | None, ...]:
        """Compute the pyramid from its finest map that is wanted.

        Args:
            inputs: (N, C_l, H_l, W_l) per level of the backbone.
            finest: First map to compute, counted from 0. The coarsest map of
                the backbone, and those beyond it, are always computed.

        Returns:
            (N, C, H_l, W_l) per level; None for those left out.

        Raises:
            ValueError: If the backbone gives another number of maps than
                ``in_channels``.
        """
        if len(inputs) != len(self.in_channels):
            raise ValueError(
                f'the neck expects {len(self.in_channels)} maps '
                f'(in_channels), got {len(inputs)}'
            )
        finest = min(finest, len(self.lateral_convs) - 1)
        merged = self._merge(inputs, finest)
        convs = list(self.fpn_convs)[finest:]
        maps = [
            conv(lateral) for conv, lateral in zip(convs, merged, strict=False)
        ]
        missing = self.num_outs - finest - len(maps)
        maps += self._coarser(inputs, merged[-1], maps[-1], missing)
        return (None,) * finest + tuple(maps)

    def _merge(self, inputs: Sequence[Tensor], finest: int) -> list[Tensor]:
        """Add to each level the coarser ones, from coarse to fine."""
        merged = [
            conv(inputs[self.start_level + level])
            for level, conv in enumerate(self.lateral_convs)
            if level >= finest
        ]
        for level in range(len(merged) - 1, 0, -1):
            below = merged[level - 1]
            # `interpolate` accepts either a fixed factor or a size.
            size = {}
            if 'scale_factor' not in self.upsample_cfg:
                size = dict(size=below.shape[2:])
            above = F.interpolate(merged[level], **size, **self.upsample_cfg)
            merged[level - 1] = below + above
        return merged

    def _coarser(
        self,
        inputs: Sequence[Tensor],
        lateral: Tensor,
        output: Tensor,
        number: int,
    ) -> Iterator[Tensor]:
        """Make the maps beyond the coarsest one of the backbone.

        Args:
            inputs: Maps of the backbone.
            lateral: Its coarsest map before the pyramid's convolution.
            output: The same after it.
            number: How many maps to make.
        """
        if not self.add_extra_convs:
            for _ in range(number):
                output = F.max_pool2d(output, 1, stride=2)
                yield output
            return
        source = dict(
            on_input=inputs[self.backbone_end_level - 1],
            on_lateral=lateral,
            on_output=output,
        )[self.add_extra_convs]
        for conv in list(self.fpn_convs)[len(self.lateral_convs) :]:
            source = conv(source)
            yield source
            if self.relu_before_extra_convs:
                source = F.relu(source)
