"""Weights for torchvision's own models, and for detectron2's names."""

import pickle

import pytest
import tiny_models
import torch
from mmengine.config import Config
from torchvision import models

import mmsoco  # noqa: F401  (lets torchvision import with a CPU torch)
from mmsoco.checkpoints import io
from mmsoco.checkpoints.export import export_detector
from mmsoco.checkpoints.foreign import (
    to_detectron2,
    to_torchvision_backbone,
    to_torchvision_detector,
)
from mmsoco.checkpoints.locations import load_weights
from mmsoco.models import ObjectEncoder


def weights(name: str) -> dict[str, torch.Tensor]:
    return ObjectEncoder(tiny_models.DETECTORS[name]()).state_dict()


def full_size(config: str) -> ObjectEncoder:
    """The encoder of a real config."""
    path = tiny_models.CONFIGS / '_base_' / 'models' / config
    return ObjectEncoder(Config.fromfile(path).model.to_dict()).eval()


@pytest.fixture(scope='module')
def encoder() -> ObjectEncoder:
    return full_size('mask-rcnn_r50-fpn.py')


@pytest.fixture(scope='module')
def r50_fpn(encoder) -> dict[str, torch.Tensor]:
    return dict(encoder.state_dict())


@pytest.fixture(scope='module')
def r50_c4() -> dict[str, torch.Tensor]:
    return dict(full_size('mask-rcnn_r50-c4.py').state_dict())


@pytest.mark.parametrize('source', ['r50_fpn', 'r50_c4'])
def test_torchvision_backbone_lacks_its_classifier_alone(source, request):
    state = to_torchvision_backbone(request.getfixturevalue(source))
    missing, unknown = models.resnet50().load_state_dict(state, strict=False)
    assert missing == ['fc.weight', 'fc.bias']
    assert unknown == []


def test_torchvision_backbone_computes_the_same():
    twin = models.resnet18()
    encoder = ObjectEncoder(tiny_models.mask_rcnn_c4()).eval()
    state = to_torchvision_backbone(encoder.state_dict())
    twin.load_state_dict(state, strict=False)
    twin.eval()
    features = {}
    twin.layer3.register_forward_hook(
        lambda _, __, output: features.update(out=output)
    )
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        twin(images)
        torch.testing.assert_close(encoder(images)[0], features['out'])


@pytest.mark.parametrize('name', ['mask_rcnn_fpn', 'faster_rcnn_swin'])
def test_backbones_that_torchvision_lacks_are_refused(name):
    """A ResNet of an eighth of the width was written, and loaded nowhere."""
    with pytest.raises(ValueError, match='8, 3, 7, 7.*--to mmdet|only ResNet'):
        to_torchvision_backbone(weights(name))


def test_torchvision_detector_lacks_what_has_no_pretext(r50_fpn):
    model = models.detection.maskrcnn_resnet50_fpn_v2(
        weights=None, weights_backbone=None
    )
    state = to_torchvision_detector(r50_fpn)
    missing, unknown = model.load_state_dict(state, strict=False)
    assert unknown == []
    parts = {'.'.join(name.split('.')[:2]) for name in missing}
    assert parts == {
        'rpn.head',
        'roi_heads.box_predictor',
        'roi_heads.mask_head',
        'roi_heads.mask_predictor',
    }


def test_torchvision_head_computes_the_same(encoder, r50_fpn):
    model = models.detection.maskrcnn_resnet50_fpn_v2(
        weights=None, weights_backbone=None
    )
    model.load_state_dict(to_torchvision_detector(r50_fpn), strict=False)
    rois, images = torch.randn(2, 256, 7, 7), torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        own = encoder(images)
        theirs = model.eval().backbone(images)
        for level in range(4):
            torch.testing.assert_close(own[level], theirs[str(level)])
        torch.testing.assert_close(
            encoder.bbox_head(rois)[0], model.roi_heads.box_head(rois)
        )


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('mask_rcnn_fpn', 'instead of'),
        ('mask_rcnn_c4', 'instead of|unknown|missing'),
        ('faster_rcnn', 'maskrcnn_resnet50_fpn_v2'),
        ('cascade_rcnn', 'maskrcnn_resnet50_fpn_v2'),
        ('faster_rcnn_swin', 'only ResNets'),
    ],
)
def test_other_detectors_are_refused_by_torchvision(name, message):
    with pytest.raises(ValueError, match=message):
        to_torchvision_detector(weights(name))


def test_detectron2_names_of_fpn(r50_fpn):
    names = to_detectron2(r50_fpn)
    for ours, theirs in (
        ('conv1.weight', 'stem.conv1.weight'),
        ('bn1.bias', 'stem.conv1.norm.bias'),
        ('layer1.0.conv1.weight', 'res2.0.conv1.weight'),
        ('layer4.2.bn3.running_var', 'res5.2.conv3.norm.running_var'),
        ('layer2.0.downsample.0.weight', 'res3.0.shortcut.weight'),
        ('layer2.0.downsample.1.bias', 'res3.0.shortcut.norm.bias'),
    ):
        own = r50_fpn[f'backbone.{ours}']
        assert names[f'backbone.bottom_up.{theirs}'] is own
    for ours, theirs in (
        ('lateral_convs.0.conv.weight', 'fpn_lateral2.weight'),
        ('fpn_convs.3.bn.weight', 'fpn_output5.norm.weight'),
    ):
        assert names[f'backbone.{theirs}'] is r50_fpn[f'neck.{ours}']
    head = 'roi_head.bbox_head.'
    for ours, theirs in (
        ('shared_convs.0.conv.weight', 'conv1.weight'),
        ('shared_convs.3.bn.bias', 'conv4.norm.bias'),
        ('shared_fcs.0.bias', 'fc1.bias'),
    ):
        assert names[f'roi_heads.box_head.{theirs}'] is r50_fpn[head + ours]


def test_detectron2_names_of_c4_and_of_plain_heads(r50_c4):
    names = to_detectron2(r50_c4)
    assert 'backbone.stem.conv1.norm.weight' in names
    assert 'backbone.res4.5.conv3.weight' in names
    assert 'roi_heads.res5.0.shortcut.norm.running_mean' in names
    plain = to_detectron2(weights('faster_rcnn'))
    assert 'backbone.fpn_lateral3.bias' in plain
    assert 'roi_heads.box_head.fc2.weight' in plain


def test_detectron2_file_is_its_model_zoo_format(tmp_path):
    model = tiny_models.soco(tiny_models.mask_rcnn_fpn())
    source, target = tmp_path / 'run.pth', tmp_path / 'out.pkl'
    io.save_atomic(dict(state_dict=model.state_dict()), source)
    manifest = export_detector(source, target, to='detectron2')
    content = pickle.loads(target.read_bytes())
    assert manifest['layout'] == 'detectron2'
    assert content['matching_heuristics'] is False
    assert content['__author__'] == 'mmsoco'
    assert content['meta']['input']['format'].startswith('RGB')
    weight = content['model']['backbone.bottom_up.stem.conv1.weight']
    online = model.encoder.backbone.conv1.weight.detach().numpy()
    assert (weight == online).all()


def test_bfloat16_reaches_detectron2_unchanged(tmp_path):
    """NumPy has no such type."""
    source, target = tmp_path / 'run.pth', tmp_path / 'out.pkl'
    state = {n: t.bfloat16() for n, t in weights('mask_rcnn_fpn').items()}
    io.save_atomic(dict(state_dict=state), source)
    export_detector(source, target, to='detectron2')
    found = load_weights(target)['state_dict']  # compares the checksum
    name = 'backbone.bottom_up.stem.conv1.weight'
    assert torch.equal(found[name], state['backbone.conv1.weight'].float())


def test_parts_of_a_detector_convert_alone():
    state = weights('mask_rcnn_fpn')
    neck = {n: t for n, t in state.items() if not n.startswith('roi_head.')}
    assert len(to_detectron2(neck)) == len(to_detectron2(state)) - 22


@pytest.mark.parametrize('num_convs', [1, 2])
def test_an_rpn_goes_to_torchvision_if_it_fits(num_convs, tmp_path):
    """Theirs has two convolutions; one alone would be another network."""
    path = tiny_models.CONFIGS / '_base_' / 'models' / 'mask-rcnn_r50-fpn.py'
    cfg = Config.fromfile(path).model.to_dict()
    cfg['rpn_head']['num_convs'] = num_convs
    detector = tiny_models.build_detector(cfg)
    io.save_atomic(dict(state_dict=detector.state_dict()), tmp_path / 'a.pth')
    export_detector(tmp_path / 'a.pth', tmp_path / 'b.pth', to='torchvision')
    state = torch.load(tmp_path / 'b.pth', weights_only=True)
    names = {name for name in state if name.startswith('rpn.')}
    assert len(names) == (8 if num_convs == 2 else 0)
    if num_convs == 1:
        return
    model = models.detection.maskrcnn_resnet50_fpn_v2(
        weights=None, weights_backbone=None
    )
    model.load_state_dict(state, strict=False)
    maps = [torch.randn(1, 256, 8, 8)]
    with torch.no_grad():
        own = detector.rpn_head(maps)
        theirs = model.rpn.head(maps)
    torch.testing.assert_close(own[0][0], theirs[0][0])
    torch.testing.assert_close(own[1][0], theirs[1][0])
