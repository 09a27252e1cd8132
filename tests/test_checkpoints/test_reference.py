"""The authors' layout, there and back."""

import argparse
import json

import pytest
import torch

from mmsoco.checkpoints import io
from mmsoco.checkpoints.reference import convert_reference, rename_reference


@pytest.fixture(scope='module')
def names(golden_dir) -> dict[str, list[str]]:
    """The names of the authors' tensors, by model."""
    path = golden_dir / 'reference_state_dict_shapes.json'
    return {m: list(s) for m, s in json.loads(path.read_text()).items()}


def tensors(names: list[str]) -> dict[str, torch.Tensor]:
    """A different small tensor under each name."""
    return {name: torch.full((2,), float(i)) for i, name in enumerate(names)}


def write(path, state: dict) -> None:
    """A file as the authors' program writes it."""
    content = dict(
        opt=argparse.Namespace(arch='resnet50', epochs=100, crop=[0.5, 1.0]),
        model={f'module.{name}': value for name, value in state.items()},
        epoch=100,
    )
    torch.save(content, path)


@pytest.mark.parametrize('model', ['fpn', 'c4'])
def test_round_trip_of_names_loses_nothing(names, model):
    state = tensors(names[model])
    ours = rename_reference(state, 'mmsoco')
    back = rename_reference(ours, 'reference')
    assert list(back) == list(state)
    assert all(back[name] is state[name] for name in state)


@pytest.mark.parametrize(
    ('model', 'theirs', 'ours'),
    [
        ('fpn', 'encoder.layer4.2.bn3.bias', 'backbone.layer4.2.bn3.bias'),
        (
            'c4',
            'encoder.layer4.0.conv1.weight',
            'roi_head.shared_head.layer4.0.conv1.weight',
        ),
        ('fpn', 'neck.fpn_convs.3.bn.bias', 'neck.fpn_convs.3.bn.bias'),
        (
            'fpn',
            'head.bn4.weight',
            'roi_head.bbox_head.shared_convs.3.bn.weight',
        ),
        ('fpn', 'head_k.fc1.bias', 'roi_head.bbox_head.shared_fcs.0.bias'),
    ],
)
def test_names_in_the_encoder(names, model, theirs, ours):
    state = tensors(names[model])
    prefix = 'target.encoder' if '_k.' in theirs else 'encoder'
    renamed = rename_reference(state, 'mmsoco')
    assert renamed[f'{prefix}.{ours}'] is state[theirs]


@pytest.mark.parametrize(
    ('theirs', 'ours'),
    [
        ('projector_k.linear2.bias', 'target.projector.fc1.bias'),
        ('predictor.bn1.running_var', 'predictor.bn0.running_var'),
    ],
)
def test_names_behind_the_encoder(names, theirs, ours):
    state = tensors(names['c4'])
    assert rename_reference(state, 'mmsoco')[ours] is state[theirs]


@pytest.mark.parametrize('model', ['fpn', 'c4'])
def test_files_there_and_back_are_equal(names, model, tmp_path):
    theirs, ours, back = (tmp_path / n for n in ('a.pth', 'b.pth', 'c.pth'))
    write(theirs, tensors(names[model]))
    manifest = convert_reference(theirs, ours)
    assert manifest['epoch'] == 100
    # They normalize RGB as ImageNet's models do.
    assert manifest['input']['channels'] == 'RGB'
    assert manifest['input']['mean'][0] == 123.675
    torch.load(ours, weights_only=True)
    convert_reference(ours, back, to='reference')
    before, after = io.load_reference(theirs), io.load_reference(back)
    assert before['opt'] == after['opt']
    assert before['epoch'] == after['epoch']
    assert list(before['model']) == list(after['model'])
    for name, value in before['model'].items():
        assert torch.equal(after['model'][name], value)


def test_parts_may_be_absent_as_a_whole(names):
    state = tensors(names['fpn'])
    without_target = {n: t for n, t in state.items() if '_k.' not in n}
    ours = rename_reference(without_target, 'mmsoco')
    assert not any(name.startswith('target.') for name in ours)
    assert any(name.startswith('predictor.') for name in ours)
    encoder = {
        n: t
        for n, t in without_target.items()
        if not n.startswith(('projector', 'predictor'))
    }
    assert len(rename_reference(encoder, 'mmsoco')) == len(encoder)


def test_online_only_leaves_out_predictor_and_target(names):
    ours = rename_reference(tensors(names['c4']), 'mmsoco', online_only=True)
    assert {n.split('.')[0] for n in ours} == {'encoder', 'projector'}


@pytest.mark.parametrize(
    'lost',
    ['encoder.layer3.4.conv2.weight', 'encoder_k.bn1.bias', 'head.fc1.bias'],
)
def test_part_in_pieces_stops(names, lost):
    state = tensors(names['fpn'])
    del state[lost]
    with pytest.raises(ValueError, match=rf'1 missing \({lost}\)'):
        rename_reference(state, 'mmsoco')


def test_unknown_tensor_stops(names):
    state = tensors([*names['fpn'], 'queue'])
    with pytest.raises(ValueError, match=r'1 unknown tensors \(queue\)'):
        rename_reference(state, 'mmsoco')


def test_straight_to_mmdet(names, tmp_path):
    source, target = tmp_path / 'a.pth', tmp_path / 'b.pth'
    write(source, tensors(names['c4']))
    manifest = convert_reference(source, target, to='mmdet')
    assert manifest['parts'] == dict(backbone=215, shared_head=50)
    assert 'backbone.conv1.weight' in io.load(target)['state_dict']


def test_layouts_that_are_none_of_both_are_named(tmp_path):
    path = tmp_path / 'timm.pth'
    torch.save({'layer1.0.conv1.weight': torch.zeros(1)}, path)
    for to in ('mmsoco', 'reference'):
        with pytest.raises(
            ValueError, match=r'timm\.pth.*torchvision or timm'
        ):
            convert_reference(path, tmp_path / 'out.pth', to)
