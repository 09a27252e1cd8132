"""Detectors and pretraining models of few channels, from the real configs."""

import copy
from collections.abc import Callable
from pathlib import Path

import torch
from mmengine.config import Config, ConfigDict
from mmengine.hub import get_config
from mmengine.registry import DefaultScope
from torch import Tensor, nn

from mmsoco.models import SoCo
from mmsoco.registry import MODELS
from mmsoco.structures import parse_pairs, roi_sets

CONFIGS = Path(__file__).resolve().parent.parent / 'configs'
PAIRS = [(1, 2), (1, 3)]
STAR_PAIRS = [(1, 2), (1, 3), dict(views=(1, 4), proposals_of=(1, 2))]
R18 = dict(depth=18, base_channels=8, init_cfg=None)
FPN = dict(in_channels=[8, 16, 32, 64], out_channels=16)
SMALL_FC = dict(in_channels=16, fc_out_channels=32)


def _own(name: str, changes: dict) -> dict:
    return _merge(
        Config.fromfile(CONFIGS / '_base_' / 'models' / name), changes
    )


def _mmdet(name: str, changes: dict) -> dict:
    return _merge(get_config(f'mmdet::{name}'), changes)


def _merge(cfg: Config, changes: dict) -> dict:
    cfg.merge_from_dict(dict(model=changes))
    return cfg.model.to_dict()


def mask_rcnn_fpn(**backbone) -> dict:
    """Mask R-CNN R18-FPN with the box head of SoCo."""
    return _own(
        'mask-rcnn_r50-fpn.py',
        dict(
            backbone=dict(R18, **backbone),
            neck=FPN,
            rpn_head=dict(in_channels=16, feat_channels=16),
            roi_head=dict(
                bbox_roi_extractor=dict(out_channels=16),
                bbox_head=dict(SMALL_FC, conv_out_channels=16),
                mask_roi_extractor=dict(out_channels=16),
                mask_head=dict(in_channels=16, conv_out_channels=16),
            ),
        ),
    )


def mask_rcnn_c4() -> dict:
    """Mask R-CNN R18-C4; its residual stage in the head has full width."""
    return _own(
        'mask-rcnn_r50-c4.py',
        dict(
            backbone=dict(depth=18, base_channels=64),
            rpn_head=dict(in_channels=256, feat_channels=16),
            roi_head=dict(
                shared_head=dict(depth=18),
                bbox_roi_extractor=dict(out_channels=256),
                bbox_head=dict(in_channels=512),
                mask_head=dict(in_channels=512, conv_out_channels=16),
            ),
        ),
    )


def faster_rcnn() -> dict:
    """Faster R-CNN with mmdet's head of two fully connected layers."""
    return _mmdet(
        '_base_/models/faster-rcnn_r50_fpn.py',
        dict(
            backbone=R18,
            neck=FPN,
            rpn_head=dict(in_channels=16, feat_channels=16),
            roi_head=dict(
                bbox_roi_extractor=dict(out_channels=16), bbox_head=SMALL_FC
            ),
        ),
    )


def faster_rcnn_pafpn() -> dict:
    """The same with a path-aggregating pyramid."""
    cfg = faster_rcnn()
    cfg['neck']['type'] = 'PAFPN'
    return cfg


def cascade_rcnn() -> dict:
    """Cascade R-CNN with three stages."""
    cfg = _mmdet(
        '_base_/models/cascade-rcnn_r50_fpn.py',
        dict(
            backbone=R18,
            neck=FPN,
            rpn_head=dict(in_channels=16, feat_channels=16),
            roi_head=dict(bbox_roi_extractor=dict(out_channels=16)),
        ),
    )
    for head in cfg['roi_head']['bbox_head']:
        head.update(SMALL_FC)
    return cfg


def _one_stage(name: str) -> dict:
    return _mmdet(
        name,
        dict(
            backbone=R18,
            neck=FPN,
            bbox_head=dict(in_channels=16, feat_channels=16),
        ),
    )


def retinanet() -> dict:
    """RetinaNet: no RoI head, pyramid from stride 8 to 128."""
    return _one_stage('_base_/models/retinanet_r50_fpn.py')


def fcos() -> dict:
    """FCOS: no RoI head, convolutions with ReLU before the last levels."""
    return _one_stage('fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py')


def faster_rcnn_swin() -> dict:
    """Faster R-CNN on a small Swin transformer."""
    cfg = faster_rcnn()
    cfg['backbone'] = dict(
        type='SwinTransformer',
        embed_dims=16,
        depths=(1, 1, 1, 1),
        num_heads=(1, 2, 4, 8),
        window_size=4,
        out_indices=(0, 1, 2, 3),
        drop_path_rate=0.1,
    )
    cfg['neck']['in_channels'] = [16, 32, 64, 128]
    return cfg


def faster_rcnn_convnext() -> dict:
    """Faster R-CNN on a small ConvNeXt of mmcls."""
    cfg = faster_rcnn()
    cfg['backbone'] = dict(
        type='mmcls.ConvNeXt',
        arch=dict(depths=[1, 1, 1, 1], channels=[16, 32, 64, 128]),
        out_indices=(0, 1, 2, 3),
        gap_before_final_norm=False,
    )
    cfg['neck']['in_channels'] = [16, 32, 64, 128]
    return cfg


DETECTORS: dict[str, Callable[[], dict]] = {
    function.__name__: function
    for function in (
        mask_rcnn_fpn,
        mask_rcnn_c4,
        faster_rcnn,
        faster_rcnn_pafpn,
        cascade_rcnn,
        retinanet,
        fcos,
        faster_rcnn_swin,
        faster_rcnn_convnext,
    )
}


def build_detector(cfg: dict) -> nn.Module:
    """Builds mmdet's own detector, as fine-tuning does."""
    with DefaultScope.overwrite_default_scope('mmsoco'):
        return MODELS.build(ConfigDict(copy.deepcopy(cfg)))


def save_detector(path: Path, scale: int | tuple[int, int]) -> None:
    """Save a Mask R-CNN whose RPN tells boxes apart, and its input's scale."""
    tests = dict(dataset=dict(pipeline=[dict(type='Resize', scale=scale)]))
    cfg = Config(dict(model=mask_rcnn_fpn(), test_dataloader=tests))
    detector = build_detector(cfg.model)
    # larger weights, so that scores differ
    for weight in detector.rpn_head.parameters():
        weight.data.normal_(std=0.1)
    meta = dict(cfg=cfg.pretty_text)
    torch.save(dict(state_dict=detector.state_dict(), meta=meta), path)


def soco_config(detector: dict, pairs: list = PAIRS, **kwargs) -> dict:
    """The config of a pretraining model with a small projector."""
    cfg = Config.fromfile(CONFIGS / '_base_' / 'models' / 'soco.py').soco
    cfg = cfg.to_dict()
    small = dict(hid_channels=32, out_channels=16)
    cfg['projector'].update(small)
    cfg['predictor'].update(small, in_channels=16)
    return dict(cfg, detector=detector, pairs=pairs, **kwargs)


def soco(detector: dict, pairs: list = PAIRS, **kwargs) -> SoCo:
    """A pretraining model with a small projector, with start weights."""
    cfg = soco_config(detector, pairs) | kwargs
    del cfg['type']
    torch.manual_seed(0)
    model = SoCo(**cfg)
    model.init_weights()
    return model


def batch(
    pairs: list = PAIRS,
    num_images: int = 2,
    num_boxes: int = 3,
    sizes: tuple[int, ...] = (96, 96, 64, 64),
    seed: int = 0,
    pretext_views: tuple[int, ...] = (),
) -> dict:
    """Normalized views and boxes of many sizes, as SoCo takes them."""
    rng = torch.Generator().manual_seed(seed)
    sets = roi_sets(parse_pairs(pairs))
    views = range(max(of.view for of in sets))
    data = dict(
        inputs=[
            torch.randn(num_images, 3, sizes[v], sizes[v], generator=rng)
            for v in views
        ],
        data_samples=dict(
            bboxes=[
                random_boxes(num_images, num_boxes, sizes[of.view - 1], rng)
                for of in sets
            ]
        ),
    )
    if pretext_views:
        data['data_samples'] |= proposals(
            num_images, {v: sizes[v - 1] for v in pretext_views}, rng
        )
    return data


def proposals(
    num_images: int, sizes: dict[int, int], rng: torch.Generator
) -> dict:
    """Twelve proposals of each image on some views, all of them visible."""
    rows = {
        view: nn.functional.pad(
            random_boxes(num_images, 12, size, rng), (0, 1), value=1.0
        )
        for view, size in sizes.items()
    }
    counts = {view: torch.full((num_images,), 12) for view in sizes}
    return dict(proposals=rows, num_proposals=counts)


def random_boxes(
    num_images: int, num_boxes: int, size: int, rng: torch.Generator
) -> Tensor:
    """(num_images, num_boxes, 4) boxes x1, y1, x2, y2 inside of a view."""
    u = torch.rand(num_images, num_boxes, 4, generator=rng)
    lengths = (0.2 + 0.75 * u[..., 2:]) * size
    start = u[..., :2] * (size - lengths)
    return torch.cat([start, start + lengths], dim=-1)


def total(losses: dict) -> Tensor:
    """The sum of the losses among what a model logs."""
    return sum(v for k, v in losses.items() if k.startswith('loss'))


def untrained(model: nn.Module) -> list[str]:
    """Parameters that are to be trained and got no gradient."""
    return [
        name
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and parameter.grad is None
    ]


def noisy(module: nn.Module) -> nn.Module:
    """Add noise to all tensors, so that no two modules share one by chance."""
    rng = torch.Generator().manual_seed(1)
    for name, value in module.state_dict().items():
        if value.is_floating_point():
            noise = torch.randn(value.shape, generator=rng) * 0.1
            value += noise.abs() if name.endswith('running_var') else noise
    return module
