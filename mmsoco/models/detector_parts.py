"""Build the parts of a detector's config that pretraining needs."""

import copy
from collections.abc import Collection
from typing import Any, NamedTuple

import torch
from mmdet.models.roi_heads.bbox_heads import BBoxHead, ConvFCBBoxHead
from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
from mmengine.logging import print_log
from torch import nn

from mmsoco.registry import MODELS

from .trimmable_fpn import TrimmableFPN

# The trunk of a detector that has no RoI head: SoCo's own box head. It is
# not exported.
HEADLESS_TRUNK = dict(
    type='Shared4Conv1FCBBoxHead', norm_cfg=dict(type='BN'), num_classes=1
)
# Parts of DETR and its successors.
_TRANSFORMER = ('encoder', 'decoder')
# Divisible by the largest stride of common pyramids (128 of P7).
PROBE_SIZE = 128


class FeatureLevel(NamedTuple):
    """One feature map of backbone or neck."""

    channels: int
    stride: int


def pretraining_config(part: Any) -> Any:
    """Remove options from a part's config that must not apply here.

    Nothing is frozen, and batch norm is trained. Pretrained weights are loaded
    by `mmsoco.checkpoints.warm_start`, which reports what arrived, and not by
    the modules themselves.

    Args:
        part: A config: dicts, lists and leaves. It is not changed.

    Returns:
        A copy with ``norm_eval=False`` and ``requires_grad=True`` where these
        keys are, without ``pretrained`` and ``frozen_stages`` (the default of
        every backbone is to freeze nothing: 0 for EfficientNet, which refuses
        the -1 of others), and without ``init_cfg`` of the type Pretrained.
    """
    if isinstance(part, (list, tuple)):
        return type(part)(pretraining_config(value) for value in part)
    if not isinstance(part, dict):
        return copy.deepcopy(part)
    override = dict(norm_eval=False, requires_grad=True)
    return {
        key: override.get(key, pretraining_config(value))
        for key, value in part.items()
        if key not in ('pretrained', 'frozen_stages')
        and not _is_pretrained_init(key, value)
    }


def _is_pretrained_init(key: str, value: Any) -> bool:
    if key != 'init_cfg':
        return False
    entries = value if isinstance(value, (list, tuple)) else [value]
    return any(e and e.get('type') == 'Pretrained' for e in entries)


def check_detector(detector: dict) -> None:
    """Refuse values that cannot be the config of a detector.

    Raises:
        TypeError: If ``detector`` is not a dict.
        ValueError: If it has no backbone, or neither RoI head nor neck.
    """
    if not isinstance(detector, dict):
        raise TypeError(
            'detector must be the config of an mmdet detector (a dict), got '
            f'{type(detector).__name__}'
        )
    name = detector.get('type', 'detector')
    if not detector.get('backbone'):
        raise ValueError(
            f'the config of {name} has no backbone; take a whole detector, '
            'the dict `model` of an mmdet config'
        )
    if not detector.get('roi_head') and not detector.get('neck'):
        raise ValueError(
            f'the config of {name} has neither roi_head nor neck: SoCo pools '
            'object features from a feature pyramid (such as FPN) or through '
            'the head of a two-stage detector. Add a neck with one number of '
            'channels on all levels.'
        )


def build_neck(cfg: dict) -> nn.Module:
    """Build the detector's neck; an FPN can then leave out its finest maps.

    Other necks, including those derived from FPN, run unchanged.

    Args:
        cfg: ``neck`` of the detector.
    """
    if cfg['type'] in ('FPN', 'mmdet.FPN'):
        cfg = dict(cfg, type=TrimmableFPN)
    return MODELS.build(cfg)


def probe_levels(
    backbone: nn.Module, neck: nn.Module | None, in_channels: int = 3
) -> list[FeatureLevel]:
    """Measure the feature maps of backbone and neck.

    Args:
        backbone: Takes (N, C, H, W).
        neck: Takes the backbone's outputs; None passes them on.
        in_channels: Number C of the image's channels.

    Returns:
        Channels and stride (in pixels of the view) of each map.

    Raises:
        ValueError: If the neck does not fit the backbone.
    """
    modules = nn.ModuleList([backbone] if neck is None else [backbone, neck])
    modules.eval()
    features = torch.zeros(1, in_channels, PROBE_SIZE, PROBE_SIZE)
    try:
        with torch.no_grad():
            for module in modules:
                features = module(features)
    except (AssertionError, RuntimeError, ValueError) as error:
        raise ValueError(
            f'{type(neck).__name__} does not fit {type(backbone).__name__} '
            f'in the detector config ({error}); compare neck.in_channels with '
            'the channels of the backbone'
        ) from error
    modules.train()
    return [
        FeatureLevel(f.shape[1], PROBE_SIZE // f.shape[-1]) for f in features
    ]


def build_roi_extractor(
    cfg: dict | list, levels: list[FeatureLevel], finest_scale: float
) -> SingleRoIExtractor:
    """Build the detector's RoI extractor with the pretraining's levels.

    Args:
        cfg: ``bbox_roi_extractor`` of the detector; of a list (one per stage
            of a cascade) the first counts.
        levels: The available feature maps.
        finest_scale: See `ObjectEncoder`.

    Raises:
        ValueError: If it is not a SingleRoIExtractor, or expects other maps
            than the detector's backbone and neck give.
    """
    cfg = cfg[0] if isinstance(cfg, (list, tuple)) else cfg
    if cfg['type'] not in ('SingleRoIExtractor', 'mmdet.SingleRoIExtractor'):
        raise ValueError(
            f'the RoI extractor {cfg["type"]} cannot be encoded: SoCo needs '
            'one level per object; use SingleRoIExtractor'
        )
    strides = list(cfg['featmap_strides'])
    wanted = [FeatureLevel(cfg['out_channels'], stride) for stride in strides]
    if levels[: len(strides)] != wanted:
        raise ValueError(
            'the RoI extractor of the detector config expects feature maps '
            f'with (channels, stride) {_show(wanted)}, but backbone and neck '
            f'give {_show(levels)}. A pyramid over several strides needs a '
            'neck such as FPN; without one, pool from a single map '
            '(featmap_strides of one entry, out_channels of the backbone).'
        )
    return MODELS.build(dict(cfg, finest_scale=finest_scale))


def pyramid_extractor_config(levels: list[FeatureLevel]) -> dict:
    """Return the RoI extractor for a detector without an RoI head.

    Raises:
        ValueError: If the neck's maps differ in their channels.
    """
    channels = {level.channels for level in levels}
    if len(channels) > 1:
        raise ValueError(
            'a detector without RoI head can be encoded when all maps of its '
            'neck have the same channels (as FPN gives), got (channels, '
            f'stride) {_show(levels)}'
        )
    return dict(
        type='SingleRoIExtractor',
        roi_layer=dict(type='RoIAlign', output_size=7, sampling_ratio=0),
        out_channels=channels.pop(),
        featmap_strides=[level.stride for level in levels],
    )


def _show(levels: list[FeatureLevel]) -> str:
    return str([tuple(level) for level in levels])


def build_trunk(cfg: dict) -> tuple[BBoxHead, int]:
    """Build a box head without its classifier and regressor.

    Args:
        cfg: Config of a `BBoxHead` whose branches share their layers.

    Returns:
        The head, whose first output is the embedding (R, D), and D.

    Raises:
        ValueError: If the head needs more than RoI features, or embeds an
            object twice.
    """
    # Regression has no pretext task; its branch would get no gradient.
    unused: dict[str, int] = dict(with_reg=False)
    unused.update({k: 0 for k in ('num_reg_convs', 'num_reg_fcs') if k in cfg})
    try:
        head = MODELS.build(dict(cfg, **unused))
    except TypeError:
        head = None
    known = (BBoxHead.forward, ConvFCBBoxHead.forward)
    if head is None or type(head).forward not in known:
        raise ValueError(
            f'the box head {cfg["type"]} cannot be encoded: SoCo needs a '
            'BBoxHead with one shared branch, such as Shared2FCBBoxHead or '
            'Shared4Conv1FCBBoxHead'
        )
    embedding_dims = head.fc_cls.in_features
    head.fc_cls = nn.Identity()
    return head, embedding_dims


def report_overrides(detector: dict, trained: Collection[str]) -> None:
    """Log which settings and parts of the detector pretraining changes.

    Args:
        detector: Config of the detector.
        trained: Names of its parts that are trained.
    """
    roi_head = detector.get('roi_head') or {}
    parts = [
        key
        for key in (*detector, *roi_head)
        if key.endswith('_head') or key in _TRANSFORMER
    ]
    kept = {*trained, 'roi_head', 'shared_head'}
    kept |= {'bbox_head'} if roi_head else set()
    dropped = [part for part in parts if part not in kept]
    print_log(
        f'pretraining {detector.get("type")} with nothing frozen '
        'and batch norm trained; left out, since they have no '
        f'pretext task: {", ".join(dropped) or "nothing"}',
        logger='current',
    )
