"""Build the part of a detector that pretraining trains, from its config."""

import math
from collections.abc import Sequence
from functools import partial

from mmcv.cnn import ConvModule
from mmdet.models.backbones.resnet import BasicBlock, Bottleneck
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmsoco.registry import MODELS

from . import detector_parts, roi_pooling
from .roi_pooling import AssignedRoIs
from .shared_calls import call_with_each
from .trimmable_fpn import TrimmableFPN

# Initializations of neck and head: PyTorch's defaults, or the detector's.
INITIALIZATIONS = ('published', 'detector')


@MODELS.register_module()
class ObjectEncoder(BaseModule):
    """Embed boxes of an image with a detector's own layers.

    ``backbone``, ``neck``, the RoI extractor, ``roi_head.shared_head`` and
    the shared trunk of ``roi_head.bbox_head`` are built from the config that
    fine-tuning trains, so the parameters carry the detector's names and are
    exported by stripping a prefix. RPN, mask head, classifier and regressor
    have no pretext task and are left out. The stages of a cascade share one
    trunk here and each start from it later.

    A detector without an RoI head (RetinaNet, FCOS) is pooled from all
    levels of its neck; a trunk of SoCo's shape then embeds the objects and
    is not exported.

    Args:
        detector: Config of an mmdet detector (its whole ``model``).
        roi_levels: ``'all'`` runs each box through every pyramid level that
            the RoI set uses and keeps the embedding of the box's own level:
            the batch-norm statistics of the published code. ``'assigned'``
            pools each box only on its own level, as a detector does, with
            fewer computations; an FPN then leaves out maps that are finer than
            any box of a view needs.
        finest_scale: Boxes with sqrt(area) below twice this many pixels go
            to the first level, each further level doubles it. 24 gives the
            thresholds 48, 96, 192 of the paper (section 3.3) on P2 to P5;
            detectors fine-tune with 56.
        initialization: ``'published'`` initializes neck and head with
            PyTorch's defaults, as the published code does; ``'detector'`` uses
            the detector's own rules, so that the weights have the scale for
            which the learning rate of fine-tuning is meant.

    Raises:
        TypeError: If ``detector`` is not a dict.
        ValueError: If ``roi_levels`` or ``initialization`` is unknown, or the
            detector cannot be encoded; the message says why.
    """

    def __init__(
        self,
        detector: dict,
        roi_levels: str = 'all',
        finest_scale: float = 24,
        initialization: str = 'published',
    ) -> None:
        super().__init__()
        if initialization not in INITIALIZATIONS:
            raise ValueError(
                f'initialization must be one of {INITIALIZATIONS}, got '
                f'{initialization!r}'
            )
        self.initialization = initialization
        if roi_levels not in roi_pooling.POOLING:
            raise ValueError(
                f'roi_levels must be one of {sorted(roi_pooling.POOLING)}, '
                f'got {roi_levels!r}'
            )
        if not 0 < finest_scale < math.inf:
            raise ValueError(
                'finest_scale must be a finite number of pixels above 0, '
                f'got {finest_scale!r}'
            )
        detector_parts.check_detector(detector)
        self.roi_levels = roi_levels
        cfg = detector_parts.pretraining_config(detector)
        self.backbone = MODELS.build(cfg['backbone'])
        self.neck = (
            detector_parts.build_neck(cfg['neck']) if cfg.get('neck') else None
        )
        levels = detector_parts.probe_levels(
            self.backbone, self.neck, cfg['backbone'].get('in_channels', 3)
        )
        self.levels = tuple(levels)
        self._build_head(cfg.get('roi_head'), levels, finest_scale)
        self._train_all_norms()

    def _build_head(
        self,
        cfg: dict | None,
        levels: list[detector_parts.FeatureLevel],
        finest_scale: float,
    ) -> None:
        if not cfg:
            extractor = detector_parts.pyramid_extractor_config(levels)
            self.trunk, self.embedding_dims = detector_parts.build_trunk(
                dict(
                    detector_parts.HEADLESS_TRUNK,
                    in_channels=extractor['out_channels'],
                )
            )
        else:
            extractor = cfg['bbox_roi_extractor']
            self.roi_head = nn.ModuleDict()
            if cfg.get('shared_head'):
                self.roi_head['shared_head'] = MODELS.build(cfg['shared_head'])
            self.roi_head['bbox_head'] = self._build_bbox_head(
                cfg['bbox_head']
            )
        self.roi_extractor = detector_parts.build_roi_extractor(
            extractor, levels, finest_scale
        )

    def _build_bbox_head(self, cfg: dict | Sequence[dict]) -> nn.Module:
        first = cfg if isinstance(cfg, dict) else cfg[0]
        head, self.embedding_dims = detector_parts.build_trunk(first)
        is_cascade = not isinstance(cfg, dict)
        return nn.ModuleList([head] * len(cfg)) if is_cascade else head

    def _train_all_norms(self) -> None:
        # By default, mmdet's ResNet freezes its statistics.
        for module in self.modules():
            if getattr(module, 'norm_eval', False):
                module.norm_eval = False

    def init_weights(self) -> None:
        """Initialize the backbone by its own rule, all else as configured.

        In a ResNet the convolutions are normal with fan-out scale and the
        last norm of each residual block is zero; the same holds for a
        residual stage in the RoI head (C4), which belongs to the backbone in
        the published code.
        """
        self.backbone.init_weights()
        for part in self.layers()[1:]:
            reset_parameters(part)
            if self.initialization == 'detector':
                start_as_built(part)
        if self.shared_head is not None:
            self.shared_head.init_weights()
            zero_last_norms(self.shared_head)
        self._is_init = True

    @property
    def bbox_head(self) -> nn.Module:
        """The trunk that turns RoI features into embeddings."""
        if not hasattr(self, 'roi_head'):
            return self.trunk
        head = self.roi_head['bbox_head']
        return head[0] if isinstance(head, nn.ModuleList) else head

    @property
    def shared_head(self) -> nn.Module | None:
        """The residual stage before the trunk (C4), if there is one."""
        head = getattr(self, 'roi_head', {})
        return head['shared_head'] if 'shared_head' in head else None

    def layers(self) -> list[nn.Module]:
        """Return the parts that have parameters."""
        layers = (self.backbone, self.neck, self.shared_head, self.bbox_head)
        return [layer for layer in layers if layer is not None]

    def forward(
        self, images: Tensor, finest: int = 0
    ) -> tuple[Tensor | None, ...]:
        """Compute the feature maps of one view.

        Args:
            images: (N, C, H, W), normalized.
            finest: First map that is needed, see `finest_level`.

        Returns:
            (N, C, H / stride, W / stride) per pyramid level; None for those
            left out.
        """
        features = self.backbone(images)
        if self.neck is None:
            return tuple(features)
        if not finest:  # only TrimmableFPN has the argument
            return tuple(self.neck(features))
        return self.neck(features, finest)

    def finest_level(self, sets: Sequence[AssignedRoIs]) -> int:
        """Return the first feature map that the RoI sets of a view need.

        Args:
            sets: From `assign`, hence the same on every rank.

        Returns:
            More than 0 only if maps can be left out: with an FPN, and not with
            ``roi_levels='all'``, which keeps the batch-norm statistics of the
            published code.
        """
        if self.roi_levels == 'all' or not isinstance(self.neck, TrimmableFPN):
            return 0
        return min(min(rois.used + rois.tied) for rois in sets)

    def assign(self, bboxes: Sequence[Tensor]) -> list[AssignedRoIs]:
        """Assign the boxes of all RoI sets to pyramid levels.

        Args:
            bboxes: (N, K, 4) boxes x1, y1, x2, y2 in the view's pixels, per
                RoI set.

        Returns:
            One element of R = N * K boxes per RoI set.
        """
        extractor = self.roi_extractor
        boxes = [roi_pooling.index_boxes(own) for own in bboxes]
        levels = [
            extractor.map_roi_levels(own, extractor.num_inputs)
            for own in boxes
        ]
        used = roi_pooling.used_levels(levels, extractor.num_inputs)
        rois = [
            AssignedRoIs(*of) for of in zip(boxes, levels, used, strict=True)
        ]
        # A level that another set uses needs no tie, and to go without saves
        # the way back through its layers. The last set is of the last view,
        # the smallest one.
        unused = set(range(len(self.levels))).difference(*used)
        rois[-1] = rois[-1]._replace(tied=tuple(sorted(unused)))
        return rois

    def encode(
        self,
        images: Tensor,
        sets: Sequence[AssignedRoIs],
        heads: Sequence[nn.Module] = (),
        whole: bool = False,
    ) -> tuple[tuple, list[list[Tensor]]]:
        """Compute the feature maps of a view and embed its boxes.

        Args:
            images: (N, C, H, W), normalized.
            sets: The RoI sets of this view, from `assign`.
            heads: See `embed`.
            whole: Whether maps that no box needs are computed too, see
                `finest_level`.

        Returns:
            The maps, see `forward`, and the embeddings, see `embed`.
        """
        maps = self(images, 0 if whole else self.finest_level(sets))
        return maps, self.embed(maps, sets, heads)

    def embed(
        self,
        features: Sequence[Tensor],
        sets: Sequence[AssignedRoIs],
        heads: Sequence[nn.Module] = (),
    ) -> list[list[Tensor]]:
        """Embed boxes and pass the embeddings through further heads.

        The heads run here because with ``roi_levels='all'`` they also run once
        per level. Each level is pooled once for all sets. A layer also runs
        once for all sets, unless it has batch statistics, which are computed
        per set.

        Args:
            features: Feature maps from calling the encoder on the view.
            sets: The RoI sets of this view, from `assign`.
            heads: Necks applied one after the other, e.g. projector and
                predictor, each from a tuple of one (R, D_in) to a list of
                one (R, D_out).

        Returns:
            Per set, the box head's embeddings (R, ``embedding_dims``), then
            each head's output.
        """
        pool = roi_pooling.POOLING[self.roi_levels]
        pooled = pool(self.roi_extractor.roi_layers, features, sets)
        steps = self._chain([p.features for own in pooled for p in own], heads)
        embedded, start = [], 0
        for rois, own in zip(sets, pooled, strict=True):
            end = start + len(own)
            valid = [p.valid for p in own]
            zero = roi_pooling.tie([features[level] for level in rois.tied])
            embedded.append(
                [
                    roi_pooling.merge_levels(s[start:end], valid) + zero
                    for s in steps
                ]
            )
            start = end
        return embedded

    def _chain(
        self, batches: Sequence[Tensor], heads: Sequence[nn.Module]
    ) -> list[Sequence[Tensor]]:
        """Return the batches' outputs of the trunk and of each head."""
        if self.shared_head is not None:
            batches = call_with_each(
                self.shared_head, batches, self.shared_head
            )
        trunk = self.bbox_head
        outputs = [call_with_each(trunk, batches, lambda x: trunk(x)[0])]
        for head in heads:
            outputs.append(
                call_with_each(head, outputs[-1], partial(_first_of, head))
            )
        return outputs


def _first_of(head: nn.Module, embeddings: Tensor) -> Tensor:
    """Pass embeddings through a neck, whose input and output are sequences."""
    return head((embeddings,))[0]


def reset_parameters(module: nn.Module) -> None:
    """Initialize every layer below a module with PyTorch's defaults."""
    for layer in module.modules():
        if hasattr(layer, 'reset_parameters'):
            layer.reset_parameters()


def start_as_built(part: BaseModule) -> None:
    """Initialize a part of a detector as mmdet does in a new detector.

    A `ConvModule` draws its weights when it is built, and its owner's
    ``init_weights`` does not reach it in a list of layers.
    """
    for layer in part.modules():
        if isinstance(layer, ConvModule):
            layer.init_weights()
    part.init_weights()


def zero_last_norms(module: nn.Module) -> None:
    """Initialize each residual block of a ResNet stage as the identity."""
    for block in module.modules():
        if isinstance(block, Bottleneck):
            nn.init.zeros_(block.norm3.weight)
        elif isinstance(block, BasicBlock):
            nn.init.zeros_(block.norm2.weight)
