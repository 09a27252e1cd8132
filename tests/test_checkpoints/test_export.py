"""Exported weights in mmdet's own detectors."""

import hashlib

import pytest
import tiny_models
import torch
from mmdet.structures.bbox import bbox2roi
from mmengine.runner.checkpoint import load_state_dict
from torchvision.models import resnet18

from mmsoco.checkpoints import io
from mmsoco.checkpoints.export import detector_state, export_detector
from mmsoco.checkpoints.load_report import compare
from mmsoco.models import SoCo

CASES = ['mask_rcnn_fpn', 'mask_rcnn_c4', 'cascade_rcnn', 'retinanet']


def randomized(name: str) -> SoCo:
    """A model whose running statistics and last norms are not at rest."""
    model = tiny_models.soco(tiny_models.DETECTORS[name](), [(1, 2)])
    return tiny_models.noisy(model)


def save_run(model: SoCo, path) -> None:
    meta = dict(epoch=3, iter=12, cfg='model = dict()')
    io.save_atomic(dict(state_dict=model.state_dict(), meta=meta), path)


@pytest.mark.parametrize('name', CASES)
def test_every_tensor_arrives_in_the_detector(name, tmp_path):
    model = randomized(name)
    save_run(model, tmp_path / 'run.pth')
    export_detector(tmp_path / 'run.pth', tmp_path / 'detector.pth')
    weights = torch.load(tmp_path / 'detector.pth', weights_only=True)
    detector = tiny_models.build_detector(tiny_models.DETECTORS[name]())
    report = compare(weights['state_dict'], detector.state_dict())
    report.check()
    load_state_dict(detector, weights['state_dict'])
    for key, value in weights['state_dict'].items():
        assert torch.equal(detector.state_dict()[key], value)
    untouched = ('rpn_head', 'mask_head', 'fc_cls', 'fc_reg')
    untouched += ('bbox_head',) if name == 'retinanet' else ()
    for part in report.parts.values():
        assert all(set(untouched) & set(key.split('.')) for key in part.new)


@torch.no_grad()
def test_detector_computes_the_same_roi_features(tmp_path):
    """mmdet's own RoI head at SoCo's level thresholds, feature by feature."""
    model = randomized('mask_rcnn_fpn').eval()
    cfg = tiny_models.mask_rcnn_fpn()
    cfg['roi_head']['bbox_roi_extractor']['finest_scale'] = 24
    detector = tiny_models.build_detector(cfg).eval()
    load_state_dict(detector, detector_state(model.state_dict()))
    data = tiny_models.batch(sizes=(224, 96, 64), num_boxes=8)
    images, boxes = data['inputs'][0], data['data_samples']['bboxes'][0]
    trunk = detector.roi_head.bbox_head
    embeddings = []
    trunk.fc_cls.register_forward_pre_hook(
        lambda _, inputs: embeddings.append(inputs[0])
    )
    features = detector.extract_feat(images)
    detector.roi_head._bbox_forward(features, bbox2roi(list(boxes)))
    for roi_levels in ('all', 'assigned'):
        model.encoder.roi_levels = roi_levels
        [rois] = model.encoder.assign([boxes])
        assert len(rois.used) > 2
        [[own]] = model.encoder.embed(model.encoder(images), [rois])
        torch.testing.assert_close(own, embeddings[0])


@torch.no_grad()
def test_c4_detector_computes_the_same_roi_features():
    model = randomized('mask_rcnn_c4').eval()
    detector = tiny_models.build_detector(tiny_models.mask_rcnn_c4()).eval()
    load_state_dict(detector, detector_state(model.state_dict()))
    data = tiny_models.batch([(1, 2)])
    images, boxes = data['inputs'][0], data['data_samples']['bboxes'][0]
    results = detector.roi_head._bbox_forward(
        detector.extract_feat(images), bbox2roi(list(boxes))
    )
    [rois] = model.encoder.assign([boxes])
    [[own]] = model.encoder.embed(model.encoder(images), [rois])
    torch.testing.assert_close(
        detector.roi_head.bbox_head.fc_cls(own), results['cls_score']
    )


def test_cascade_gets_the_trunk_in_every_stage():
    state = detector_state(randomized('cascade_rcnn').state_dict())
    stages = [
        {
            k.split(f'bbox_head.{s}.')[1]: v
            for k, v in state.items()
            if f'bbox_head.{s}.' in k
        }
        for s in range(3)
    ]
    assert len(stages[0]) == 4
    for stage in stages[1:]:
        assert stage.keys() == stages[0].keys()
        assert all(torch.equal(stage[k], stages[0][k]) for k in stage)


def test_pretext_trunk_and_target_stay_behind():
    state = detector_state(randomized('fcos').state_dict())
    assert {name.split('.')[0] for name in state} == {'backbone', 'neck'}


def test_manifest_tells_parts_and_source(tmp_path):
    source, target = tmp_path / 'run.pth', tmp_path / 'detector.pth'
    model = randomized('mask_rcnn_fpn')
    save_run(model, source)
    manifest = export_detector(source, target)
    assert torch.load(target, weights_only=True)['meta'] == manifest
    assert manifest['parts'] == dict(backbone=100, bbox_head=22, neck=40)
    assert (manifest['epoch'], manifest['iter']) == (3, 12)
    assert manifest['config'] == 'model = dict()'
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    assert manifest['source_sha256'] == digest


def test_chosen_parts_alone():
    state = randomized('mask_rcnn_fpn').state_dict()
    only = detector_state(state, ['backbone'])
    assert len(only) == 120
    assert all(name.startswith('backbone.') for name in only)
    with pytest.raises(ValueError, match=r'no part tail.*backbone, bbox_head'):
        detector_state(state, ['tail'])


def test_classes_travel_with_their_layers(tmp_path):
    """Without them, mmdet's inference names the first classes of COCO."""
    weights = tiny_models.build_detector(tiny_models.faster_rcnn())
    source = tmp_path / 'mmdet.pth'
    classes = dict(classes=('bolt', 'nut'))
    meta = dict(dataset_meta=classes)
    torch.save(dict(state_dict=weights.state_dict(), meta=meta), source)
    whole = export_detector(source, tmp_path / 'whole.pth')
    assert whole['dataset_meta'] == classes
    neck = export_detector(source, tmp_path / 'neck.pth', ['neck'])
    assert 'dataset_meta' not in neck


def test_parts_of_a_detector_of_mmdet(tmp_path):
    """The advice to export fewer parts led back to a refusal."""
    weights = tiny_models.build_detector(tiny_models.faster_rcnn())
    source = tmp_path / 'mmdet.pth'
    torch.save(dict(state_dict=weights.state_dict()), source)
    manifest = export_detector(source, tmp_path / 'out.pth', ['backbone'])
    found = torch.load(tmp_path / 'out.pth', weights_only=True)['state_dict']
    own = weights.backbone.state_dict()
    assert {n.removeprefix('backbone.') for n in found} == own.keys()
    assert all(torch.equal(found[f'backbone.{n}'], own[n]) for n in own)
    assert manifest['parts'] == dict(backbone=100)


def test_parts_of_a_backbone_of_torchvision(tmp_path):
    weights = resnet18().state_dict()
    torch.save(weights, tmp_path / 'resnet18.pth')
    export_detector(tmp_path / 'resnet18.pth', tmp_path / 'out.pth')
    found = torch.load(tmp_path / 'out.pth', weights_only=True)['state_dict']
    assert len(found) == len(weights) - 2  # the classifier
    assert torch.equal(found['backbone.conv1.weight'], weights['conv1.weight'])


def test_unknown_layout_leaves_no_file(tmp_path):
    torch.save(dict(some=torch.ones(1)), tmp_path / 'odd.pth')
    with pytest.raises(ValueError, match=r'odd\.pth: .*no known program'):
        export_detector(tmp_path / 'odd.pth', tmp_path / 'out.pth')
    assert [p.name for p in tmp_path.iterdir()] == ['odd.pth']


def _nested(tensor):
    return torch.nested.nested_tensor([tensor, tensor[:1]])


@pytest.mark.parametrize(
    ('name', 'change', 'message'),
    [
        ('running_var', lambda x: x * torch.inf, '1 of .*not finite.*bn1.run'),
        ('weight', torch.Tensor.char, '1 weights .*torch.int8.*bn1.weight'),
        ('weight', lambda x: x * 1j, 'type torch.complex64.*bn1.weight'),
        ('bias', torch.Tensor.char, '1 weights .*torch.int8.*bn1.bias'),
        ('running_mean', torch.Tensor.long, 'torch.int64.*bn1.running_mean'),
        ('weight', torch.Tensor.to_sparse, r'1 tensors .*sparse_coo.*bn1.we'),
        ('weight', lambda x: x.to('meta'), '1 tensors .*"meta".*bn1.weight'),
        ('weight', _nested, '1 tensors .*are nested.*bn1.weight'),
        # more values than any memory holds
        (
            'weight',
            lambda x: x[:1].expand(10**13),
            r'1 tensors .*expanded \(fewer .*bn1.weight',
        ),
    ],
)
def test_weights_of_no_use_leave_no_file(tmp_path, name, change, message):
    model = randomized('mask_rcnn_fpn')
    save_run(model, tmp_path / 'run.pth')
    content = torch.load(tmp_path / 'run.pth', weights_only=False)
    key = f'encoder.backbone.bn1.{name}'
    content['state_dict'][key] = change(content['state_dict'][key])
    torch.save(content, tmp_path / 'run.pth')
    with pytest.raises(ValueError, match=message):
        export_detector(tmp_path / 'run.pth', tmp_path / 'out.pth')
    assert not (tmp_path / 'out.pth').exists()


def test_changed_tensors_do_not_have_the_checksum(tmp_path):
    """Written anew, a file's own checksums hold; that of the tensors not."""
    save_run(randomized('mask_rcnn_fpn'), tmp_path / 'run.pth')
    export_detector(tmp_path / 'run.pth', tmp_path / 'out.pth')
    content = torch.load(tmp_path / 'out.pth', weights_only=True)
    io.save_atomic(content, tmp_path / 'again.pth')
    io.load(tmp_path / 'again.pth')
    content['state_dict']['backbone.conv1.weight'][0, 0, 0, 0] += 1e-6
    io.save_atomic(content, tmp_path / 'changed.pth')
    with pytest.raises(ValueError, match='not those that were exported'):
        io.load(tmp_path / 'changed.pth')


def test_manifest_keeps_the_input_of_the_run(tmp_path):
    model = randomized('mask_rcnn_fpn')
    bgr = dict(channels='BGR', mean=[1.0, 2.0, 3.0], std=[1.0, 1.0, 1.0])
    text = (
        "model = dict(type='SoCo', detector=dict(data_preprocessor=dict("
        'mean=[1.0, 2.0, 3.0], std=[1, 1, 1], bgr_to_rgb=False)))'
    )
    for meta in (dict(input=bgr), dict(cfg=text)):
        run = dict(state_dict=model.state_dict(), meta=meta)
        io.save_atomic(run, tmp_path / 'run.pth')
        manifest = export_detector(tmp_path / 'run.pth', tmp_path / 'out.pth')
        assert manifest['input'] == bgr


def test_half_a_backbone_is_not_exported(tmp_path):
    state = randomized('mask_rcnn_fpn').state_dict()
    half = {n: t for n, t in state.items() if '.layer3.' not in n}
    torch.save(dict(model=half), tmp_path / 'run.pth')
    with pytest.raises(ValueError, match=r'not whole.*layer3\.0\.conv1'):
        export_detector(tmp_path / 'run.pth', tmp_path / 'out.pth')
    export_detector(tmp_path / 'run.pth', tmp_path / 'out.pth', ['neck'])


def test_other_programs_are_told_the_input(tmp_path):
    model = randomized('mask_rcnn_c4')
    bgr = dict(channels='BGR', mean=[1.0, 2.0, 3.0], std=[1.0, 1.0, 1.0])
    run = dict(state_dict=model.state_dict(), meta=dict(input=bgr))
    source, target = tmp_path / 'run.pth', tmp_path / 'out.pkl'
    io.save_atomic(run, source)
    with pytest.raises(
        ValueError, match='trained on BGR.*torchvision get RGB'
    ):
        export_detector(source, target, to='torchvision-backbone')
    manifest = export_detector(source, target, to='detectron2')
    assert manifest['input']['format'].startswith('BGR')
    assert manifest['input']['mean'] == bgr['mean']
    del run['meta']['input']
    io.save_atomic(run, source)
    export_detector(source, target, to='torchvision-backbone')
