"""Additional tasks that train other parts of the detector."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from mmdet.models.task_modules.assigners import AssignResult, MaxIoUAssigner
from mmengine.model import BaseModule
from mmengine.structures import InstanceData
from torch import Tensor, nn

from mmsoco.registry import MODELS

from .contrast_head import check_weight
from .detector_parts import FeatureLevel, pretraining_config


class EncodedView(NamedTuple):
    """A view and its feature maps from the online encoder.

    Attributes:
        images: (N, C, H, W), normalized.
        maps: (N, C, H / stride, W / stride) per level of the pyramid, none
            left out.
    """

    images: Tensor
    maps: tuple[Tensor, ...]


class Pretext(BaseModule):
    """Base class of pretexts; subclass it for your own.

    `SoCo` builds it with the arguments of its config and two more,
    ``detector`` and ``levels``. Children that are named like parts of a
    detector, such as ``rpn_head``, are exported; all others are not.

    Args:
        detector: Config of the mmdet detector (its whole ``model``).
        levels: The feature maps that the encoder gives.
        views: The views that it learns from, counted from 1. Their pyramids
            are computed as a whole.
        weight: Factor of its losses.
    """

    def __init__(
        self,
        detector: dict,
        levels: Sequence[FeatureLevel],
        views: Sequence[int] = (1, 2),
        weight: float = 1.0,
    ) -> None:
        super().__init__()
        check_weight(f'weight of {type(self).__name__}', weight)
        if not len(views):
            raise ValueError(
                f'{type(self).__name__} needs a view at least, got '
                f'views={views!r}'
            )
        self.views = tuple(views)
        self.weight = weight

    def layers(self) -> list[nn.Module]:
        """Return the parts that can be compiled; none unless overridden."""
        return []

    @abstractmethod
    def forward(
        self, views: Mapping[int, EncodedView], data_samples: Mapping
    ) -> dict[str, Tensor]:
        """Compute the losses of a batch.

        Args:
            views: The views of ``self.views``, by their numbers.
            data_samples: What the pipeline packs, see `PackViews`.

        Returns:
            Scalars by name; those with ``loss`` in their name are added to
            the loss of `SoCo`, the others are only logged.
        """


@MODELS.register_module()
class RPNPretext(Pretext):
    """Train the detector's own RPN to find the proposals.

    ``rpn_head`` is built from the detector's config, only separates objects
    from background, and is trained by its own loss on the online pyramid. Its
    ground truth is all proposals that a view shows (`ShowProposals` must be in
    the pipeline), clipped to the view. Anchors on proposals that are cut off
    too much, or too small in the view, are not negatives: see
    `LenientAssigner`.

    Args:
        detector: See `Pretext`.
        levels: See `Pretext`.
        views: See `Pretext`.
        weight: See `Pretext`.
        min_visible: Least part of a proposal's area that a view must show,
            in [0, 1].
        min_side: Least width and height of a box in a view, pixels.

    Raises:
        ValueError: The detector has no RPN, does not say how it is trained,
            or its RPN expects other maps.
    """

    def __init__(
        self,
        detector: dict,
        levels: Sequence[FeatureLevel],
        views: Sequence[int] = (1, 2),
        weight: float = 1.0,
        min_visible: float = 0.5,
        min_side: float = 8.0,
    ) -> None:
        super().__init__(detector, levels, views, weight)
        if not 0 <= min_visible <= 1 or not min_side > 0:
            raise ValueError(
                'min_visible must lie in [0, 1] and min_side above 0, got '
                f'{min_visible!r} and {min_side!r}'
            )
        self.min_visible = min_visible
        self.min_side = min_side
        self.rpn_head = MODELS.build(rpn_config(detector))
        _check_levels(self.rpn_head, levels)

    def layers(self) -> list[nn.Module]:
        """Return the RPN."""
        return [self.rpn_head]

    def forward(
        self, views: Mapping[int, EncodedView], data_samples: Mapping
    ) -> dict[str, Tensor]:
        """Compute the losses of a batch.

        Args:
            views: See `Pretext.forward`.
            data_samples: With ``proposals`` and ``num_proposals`` of
                `ShowProposals` for the same views, stacked to (N, P, 5) and
                (N,).

        Returns:
            The RPN's losses by its own names, such as ``loss_rpn_cls``,
            averaged over the views.

        Raises:
            ValueError: The batch has no proposals of a view.
        """
        losses: dict[str, Tensor] = {}
        for view in self.views:
            rows, counts = _proposals_of(view, data_samples)
            for name, loss in self._losses(views[view], rows, counts).items():
                share = self.weight / len(self.views) * loss
                losses[name] = losses.get(name, 0) + share
        return losses

    def _losses(
        self, view: EncodedView, rows: Tensor, counts: Sequence[int]
    ) -> dict[str, Tensor]:
        outputs = self.rpn_head(view.maps)
        split = [
            self.split(own[:count])
            for own, count in zip(rows, counts, strict=True)
        ]
        shape = tuple(view.images.shape[-2:])
        metas = [dict(img_shape=shape, pad_shape=shape)] * len(split)
        # The loss of few anchors is cheap, and half precision would be coarse.
        with torch.autocast(view.images.device.type, enabled=False):
            losses = self.rpn_head.loss_by_feat(
                *([of_map.float() for of_map in maps] for maps in outputs),
                [taken for taken, _ in split],
                metas,
                [undecided for _, undecided in split],
            )
        return {name: _total(loss) for name, loss in losses.items()}

    def split(self, rows: Tensor) -> tuple[InstanceData, InstanceData]:
        """Separate the proposals to find from those that are cut or small.

        Args:
            rows: (n, 5) of one image, see `ShowProposals`.

        Returns:
            The ones and the others, each with (m, 4) ``bboxes`` and (m,)
            ``labels`` of 0.
        """
        bboxes, visible = rows[:, :4], rows[:, 4]
        sides = bboxes[:, 2:] - bboxes[:, :2]
        taken = visible >= self.min_visible
        taken &= (sides >= self.min_side).all(dim=1)
        labels = torch.zeros(len(rows), dtype=torch.long, device=rows.device)
        return tuple(
            InstanceData(bboxes=bboxes[mask], labels=labels[mask])
            for mask in (taken, ~taken)
        )


class LenientAssigner(MaxIoUAssigner):
    """Assign anchors to boxes, and spare those that lie on undecided boxes.

    An anchor that would be background, but overlaps an undecided box so much
    that it would not if that box were ground truth, is neither positive nor
    negative. mmdet's own rule goes by the part of the anchor that lies
    within such a box, and for it the small objects within a large one that
    is cut off would be lost.
    """

    def assign(
        self,
        pred_instances: InstanceData,
        gt_instances: InstanceData,
        gt_instances_ignore: InstanceData | None = None,
        **kwargs: object,
    ) -> AssignResult:
        """Assign a box, none or nothing to each anchor.

        Args:
            pred_instances: ``priors``, the (A, 4) anchors.
            gt_instances: The boxes, with ``bboxes`` and ``labels``.
            gt_instances_ignore: The undecided boxes.
            kwargs: Of mmdet.

        Returns:
            ``gt_inds`` of (A,): the box counted from 1, 0 for background, -1
            for an anchor that is spared.
        """
        result = super().assign(pred_instances, gt_instances, None, **kwargs)
        if gt_instances_ignore is None or not len(gt_instances_ignore):
            return result
        overlaps = self.iou_calculator(
            gt_instances_ignore.bboxes, pred_instances.priors
        ).amax(dim=0)
        least = self.neg_iou_thr
        least = least[1] if isinstance(least, tuple) else least
        spared = (result.gt_inds == 0) & (overlaps >= least)
        result.gt_inds[spared] = -1
        return result


def rpn_config(detector: Mapping) -> dict:
    """Return the config of a detector's RPN, class-agnostic and to be trained.

    Args:
        detector: Config of the detector.

    Raises:
        ValueError: It has no RPN, or does not say how it is trained.
    """
    name = detector.get('type', 'detector')
    if not detector.get('rpn_head'):
        raise ValueError(
            f'RPNPretext needs a detector with an rpn_head, and {name} has '
            'none: a one-stage detector such as RetinaNet or FCOS finds and '
            'names its objects in one head. Pretrain it without this pretext '
            '(pretexts=[]), or take a two-stage detector such as Faster R-CNN'
        )
    settings = dict((detector.get('train_cfg') or {}).get('rpn') or {})
    if not settings.get('assigner'):
        raise ValueError(
            f'RPNPretext trains the rpn_head as {name} does, but its config '
            'has no train_cfg.rpn with an assigner; take the whole `model` '
            'of the config'
        )
    assigner = dict(settings['assigner'])
    if assigner['type'] in ('MaxIoUAssigner', 'mmdet.MaxIoUAssigner'):
        settings['assigner'] = dict(assigner, type=LenientAssigner)
    return dict(
        pretraining_config(detector['rpn_head']),
        num_classes=1,
        train_cfg=settings,
        test_cfg=(detector.get('test_cfg') or {}).get('rpn'),
    )


def _check_levels(rpn_head: nn.Module, levels: Sequence[FeatureLevel]) -> None:
    """Refuse an RPN that expects other maps than the encoder gives."""
    strides = [stride[0] for stride in rpn_head.prior_generator.strides]
    expected = [FeatureLevel(rpn_head.in_channels, s) for s in strides]
    if list(levels) != expected:
        raise ValueError(
            'the rpn_head of the detector config expects maps with (channels, '
            f'stride) {[tuple(level) for level in expected]}, but backbone '
            f'and neck give {[tuple(level) for level in levels]}; compare '
            'rpn_head.in_channels and anchor_generator.strides with them'
        )


def _proposals_of(
    view: int, data_samples: Mapping
) -> tuple[Tensor, Sequence[int]]:
    """Take the rows and counts of a view out of a batch."""
    rows = data_samples.get('proposals', {})
    if view not in rows:
        raise ValueError(
            f'RPNPretext learns from the proposals on view {view}, but the '
            f'pipeline gives those of the views {sorted(rows)}: put '
            f"dict(type='ShowProposals', views=...) with the views of the "
            'pretext before PackViews'
        )
    return rows[view], data_samples['num_proposals'][view].tolist()


def _total(loss: Tensor | Sequence[Tensor]) -> Tensor:
    """Add the losses of the levels."""
    return loss if isinstance(loss, Tensor) else sum(loss)
