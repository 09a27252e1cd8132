"""Names of other programs against mmdet's own names of the same layers."""

import pytest
import tiny_models
import torch
from mmengine.config import Config
from torchvision import models

from mmsoco.checkpoints.foreign import detectron2_table, torchvision_table
from mmsoco.checkpoints.incoming import to_mmdet
from mmsoco.checkpoints.layouts import (
    PRETRAINED_PARTS,
    is_pretrainable,
    rename,
)
from mmsoco.checkpoints.load_report import is_counter
from mmsoco.models import ObjectEncoder

HEAD = 'roi_head.bbox_head.'


def names_of(layout: str, names: list[str]) -> list[str]:
    tensors = {name: torch.zeros(1) for name in names}
    renamed, found = to_mmdet(tensors)
    assert found == layout
    return list(renamed)


@pytest.mark.parametrize(
    ('theirs', 'ours'),
    [
        ('stem.conv1.weight', 'backbone.conv1.weight'),
        (
            'backbone.bottom_up.stem.conv1.norm.running_var',
            'backbone.bn1.running_var',
        ),
        (
            'backbone.bottom_up.res2.0.shortcut.norm.bias',
            'backbone.layer1.0.downsample.1.bias',
        ),
        (
            'backbone.bottom_up.res5.2.conv3.weight',
            'backbone.layer4.2.conv3.weight',
        ),
        (
            'roi_heads.res5.0.conv2.norm.weight',
            'backbone.layer4.0.bn2.weight',
        ),
        (
            'backbone.fpn_lateral2.weight',
            'neck.lateral_convs.0.conv.weight',
        ),
        (
            'backbone.fpn_output5.norm.bias',
            'neck.fpn_convs.3.bn.bias',
        ),
        (
            'roi_heads.box_head.conv4.norm.running_mean',
            f'{HEAD}shared_convs.3.bn.running_mean',
        ),
        ('roi_heads.box_head.fc2.bias', f'{HEAD}shared_fcs.1.bias'),
        ('backbone.top_block.p6.weight', 'backbone.top_block.p6.weight'),
    ],
)
def test_names_of_detectron2(theirs, ours):
    """As its model zoo has them; what no rule knows keeps its name."""
    names = names_of('detectron2', ['res2.0.conv1.weight', theirs])
    assert names == ['backbone.layer1.0.conv1.weight', ours]


def test_layers_without_a_pretext_are_left_out():
    names = names_of(
        'detectron2',
        [
            'backbone.bottom_up.stem.conv1.weight',
            'proposal_generator.anchor_generator.cell_anchors.0',
            'roi_heads.box_predictor.cls_score.weight',
            'roi_heads.mask_head.deconv.weight',
            'pixel_mean',
        ],
    )
    assert names == ['backbone.conv1.weight']


def test_an_rpn_goes_to_detectron2_and_comes_back():
    detector = tiny_models.build_detector(tiny_models.mask_rcnn_fpn())
    state = {
        name: tensor
        for name, tensor in detector.state_dict().items()
        if is_pretrainable(name)
    }
    theirs = rename(state, detectron2_table(state), 'ours')
    prefix = 'proposal_generator.rpn_head.'
    names = {n[len(prefix) :] for n in theirs if n.startswith(prefix)}
    layers = ('conv', 'objectness_logits', 'anchor_deltas')
    assert names == {f'{n}.{x}' for n in layers for x in ('weight', 'bias')}
    back, _ = to_mmdet(theirs)
    assert back.keys() == state.keys()
    assert all(back[name] is state[name] for name in state)


@pytest.mark.parametrize('table', [detectron2_table, torchvision_table])
def test_what_we_export_comes_back(table):
    cfg = tiny_models.mask_rcnn_fpn()
    state = ObjectEncoder(cfg).state_dict()
    back, _ = to_mmdet(rename(state, table(state), 'ours'))
    assert back.keys() == state.keys()
    assert all(back[name] is state[name] for name in state)


@pytest.mark.parametrize(
    ('build', 'config'),
    [
        (
            models.detection.fasterrcnn_resnet50_fpn,
            'mmdet::_base_/models/faster-rcnn_r50_fpn.py',
        ),
        (models.detection.maskrcnn_resnet50_fpn_v2, 'mask-rcnn_r50-fpn.py'),
    ],
)
def test_detectors_of_torchvision_have_the_layers_of_mmdets(build, config):
    """Name by name and shape by shape, both built by their own programs."""
    with torch.device('meta'):
        theirs = build(weights=None, weights_backbone=None).state_dict()
    cfg = config
    if '::' not in config:
        cfg = tiny_models.CONFIGS / '_base_' / 'models' / config
        cfg = Config.fromfile(cfg).model.to_dict()
    else:
        cfg = tiny_models._mmdet(config.removeprefix('mmdet::'), {})
    with torch.device('meta'):
        own = tiny_models.build_detector(cfg).state_dict()
    found, layout = to_mmdet(theirs)
    assert layout == 'torchvision detector'
    shapes = {
        name: tuple(tensor.shape)
        for name, tensor in own.items()
        # torchvision's RPN has another number of convolutions
        if is_pretrainable(name, PRETRAINED_PARTS[:-1])
        and not is_counter(name)
    }
    assert shapes == {
        name: tuple(tensor.shape)
        for name, tensor in found.items()
        if not is_counter(name)
    }


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match=r'no known program .*: a\.weight'):
        to_mmdet({'a.weight': torch.zeros(1)})
