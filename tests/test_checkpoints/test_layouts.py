"""Tables of names, read in both directions."""

import pytest
import torch
from mmdet.models.backbones import ResNet as MMDetResNet

from mmsoco.checkpoints.layouts import (
    Layer,
    ResNet,
    check_layout,
    find_resnet,
    guess_layout,
    inverse,
    rename,
    table_of,
)

TABLE = table_of([Layer('a', 'x.a', 'linear'), Layer('b', 'x.b', 'conv')])
STATE = {name: torch.randn(2) for name in TABLE}


@pytest.mark.parametrize('depth', [18, 50])
def test_layers_of_a_resnet_are_those_of_mmdet(depth):
    names = list(MMDetResNet(depth, base_channels=8).state_dict())
    resnet = find_resnet([f'some.prefix.{name}' for name in names])
    layers = [Layer(name, name, kind) for name, kind in resnet.layers()]
    assert set(table_of(layers)) == set(names)


def test_find_resnet_counts_blocks_and_convs():
    resnet = find_resnet(MMDetResNet(101, base_channels=8).state_dict())
    assert resnet == ResNet((3, 4, 23, 3), 3)
    with pytest.raises(ValueError, match='only ResNets'):
        find_resnet(['patch_embed.weight'])


def test_rename_there_and_back_is_the_identity():
    renamed = rename(STATE, TABLE, 'theirs')
    assert list(renamed) == ['x.a.weight', 'x.a.bias', 'x.b.weight']
    back = rename(renamed, inverse(TABLE), 'ours')
    assert list(back) == list(STATE)
    assert all(back[name] is STATE[name] for name in STATE)


def test_rename_stops_at_unknown_and_missing_names():
    state = {**STATE, 'c.weight': torch.zeros(1)}
    del state['a.bias']
    with pytest.raises(ValueError) as error:
        rename(state, TABLE, 'theirs')
    assert '1 unknown tensors (c.weight)' in str(error.value)
    assert '1 missing (a.bias)' in str(error.value)


@pytest.mark.parametrize(
    ('name', 'layout'),
    [
        ('encoder.backbone.conv1.weight', 'mmsoco'),
        ('encoder.layer1.0.conv1.weight', 'reference'),
        ('encoder_k.conv1.weight', 'reference'),
        ('roi_head.bbox_head.fc_cls.weight', 'mmdet'),
        ('backbone.conv1.weight', 'backbone of mmpretrain or mmselfsup'),
        ('backbone.bottom_up.stem.conv1.weight', 'detectron2'),
        ('backbone.body.conv1.weight', 'torchvision detector'),
        ('layer1.0.conv1.weight', 'ResNet of torchvision or timm'),
        ('blocks.0.attn.qkv.weight', 'vision transformer of timm'),
        ('something', 'unknown'),
    ],
)
def test_guess_layout(name, layout):
    assert guess_layout([name]) == layout


def test_backbone_of_a_whole_detector_is_mmdets():
    names = ['backbone.conv1.weight', 'rpn_head.rpn_conv.weight']
    assert guess_layout(names) == 'mmdet'


@pytest.mark.parametrize(
    ('name', 'remedy'),
    [
        ('encoder.layer1.0.conv1.weight', r'mmsoco convert checkpoint'),
        ('rpn_head.rpn_conv.weight', 'load_from'),
        ('layer1.0.conv1.weight', 'init_cfg'),
        ('blocks.0.attn.qkv.weight', 'cannot read it'),
    ],
)
def test_other_layouts_get_a_remedy(name, remedy):
    with pytest.raises(ValueError, match=rf'x\.pth.*{remedy}'):
        check_layout({name: torch.zeros(1)}, 'mmsoco', 'x.pth')
    check_layout({'encoder.backbone.conv1.weight': 0}, 'mmsoco', 'x.pth')
