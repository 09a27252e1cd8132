"""Pretraining from weights that exist, value by value, target included."""

import copy
import pickle

import pytest
import tiny_models
import torch
from torchvision.models import resnet18

from mmsoco.checkpoints import io
from mmsoco.checkpoints.export import export_detector
from mmsoco.checkpoints.foreign import to_detectron2
from mmsoco.checkpoints.reference import rename_reference
from mmsoco.checkpoints.warm_start import Start, parse_starts
from mmsoco.models import SoCo

PRETRAINED = dict(type='Pretrained', checkpoint='weights.pth')


def detector(name: str) -> torch.nn.Module:
    return tiny_models.noisy(
        tiny_models.build_detector(tiny_models.DETECTORS[name]())
    )


def save(state: dict, path, **meta) -> str:
    torch.save(dict(state_dict=state, meta=meta), path)
    return str(path)


def started(name: str, init) -> SoCo:
    return tiny_models.soco(tiny_models.DETECTORS[name](), [(1, 2)], init=init)


def assert_holds(model: SoCo, expected: dict, but: tuple = ()) -> None:
    """Both networks hold the expected tensors, and nothing else does."""
    for network in (model, model.target):
        state = network.encoder.state_dict()
        for name, tensor in expected.items():
            assert torch.equal(state[name], tensor), name
        rest = {
            name
            for name in state
            if name not in expected and not name.endswith('tracked')
        }
        assert all(name.startswith(but) for name in rest), rest


@pytest.mark.parametrize(
    'name', ['mask_rcnn_fpn', 'mask_rcnn_c4', 'faster_rcnn', 'retinanet']
)
def test_detector_of_mmdet_arrives_whole(name, tmp_path):
    weights = detector(name).state_dict()
    model = started(name, save(weights, tmp_path / 'coco.pth'))
    own = model.encoder.state_dict()
    expected = {n: t for n, t in weights.items() if n in own}
    assert len(expected) > 80
    assert_holds(model, expected, but=('trunk.',))
    [report] = model.start_reports
    assert 'backbone 75/75' in report.summary() or (
        'backbone 100/100' in report.summary()
    )


def test_cascade_starts_from_its_first_trunk(tmp_path):
    weights = detector('cascade_rcnn').state_dict()
    trunk = 'roi_head.bbox_head.{}.shared_fcs.0.weight'
    assert not torch.equal(weights[trunk.format(0)], weights[trunk.format(1)])
    model = started('cascade_rcnn', save(weights, tmp_path / 'coco.pth'))
    for network in (model, model.target):
        state = network.encoder.state_dict()
        for stage in range(3):
            assert torch.equal(
                state[trunk.format(stage)], weights[trunk.format(0)]
            )
        backbone = [n for n in state if n.startswith(('backbone', 'neck'))]
        assert len(backbone) > 100
        assert all(torch.equal(state[n], weights[n]) for n in backbone)
    assert 'bbox_head 4/4' in model.start_reports[0].summary()


def test_backbone_alone_leaves_the_rest_at_random(tmp_path):
    weights = tiny_models.noisy(resnet18()).state_dict()
    path = tmp_path / 'resnet18.pth'
    torch.save(weights, path)
    cfg = tiny_models.mask_rcnn_fpn(base_channels=64)
    cfg['neck']['in_channels'] = [64, 128, 256, 512]
    model = tiny_models.soco(cfg, [(1, 2)], init=str(path))
    scratch = tiny_models.soco(cfg, [(1, 2)])
    expected = {
        f'backbone.{n}': t
        for n, t in weights.items()
        if not n.startswith('fc.')
    }
    assert_holds(model, expected, but=('neck.', 'roi_head.'))
    rest = scratch.encoder.neck.state_dict()
    for name, tensor in model.encoder.neck.state_dict().items():
        assert torch.equal(tensor, rest[name])  # the same draws as ever


def test_last_stage_of_a_backbone_goes_into_the_head_of_c4(tmp_path):
    weights = tiny_models.noisy(resnet18()).state_dict()
    torch.save(weights, tmp_path / 'resnet18.pth')
    model = started('mask_rcnn_c4', str(tmp_path / 'resnet18.pth'))
    key = 'layer4.1.conv2.weight'
    assert torch.equal(
        model.encoder.shared_head.state_dict()[key], weights[key]
    )
    assert model.start_reports[0].summary() == (
        'backbone 75/75, shared_head 25/25'
    )


@pytest.mark.parametrize('name', ['mask_rcnn_fpn', 'mask_rcnn_c4'])
def test_our_own_run_and_its_exports_start_a_run(name, tmp_path):
    source = tiny_models.noisy(started(name, 'scratch'))
    run = save(source.state_dict(), tmp_path / 'run.pth', epoch=1)
    expected = source.encoder.state_dict()
    assert_holds(started(name, run), expected)
    for to, file in (('mmdet', 'detector.pth'), ('detectron2', 'out.pkl')):
        export_detector(run, tmp_path / file, to=to)
        model = started(name, str(tmp_path / file))
        assert_holds(
            model,
            {k: v for k, v in expected.items() if not k.endswith('tracked')},
        )


def test_file_of_the_authors_starts_a_run(tmp_path):
    source = tiny_models.noisy(started('mask_rcnn_fpn', 'scratch'))
    state = rename_reference(source.state_dict(), 'reference')
    path = tmp_path / 'authors.pth'
    torch.save(
        dict(model={f'module.{n}': t for n, t in state.items()}, epoch=4), path
    )
    model = started('mask_rcnn_fpn', str(path))
    assert_holds(model, source.encoder.state_dict())
    assert model.start_reports[0].layout == 'reference'


def test_model_zoo_pickle_of_detectron2_starts_a_run(tmp_path):
    weights = detector('mask_rcnn_fpn').state_dict()
    own = started('mask_rcnn_fpn', 'scratch').encoder.state_dict()
    wanted = {n: t for n, t in weights.items() if n in own}
    arrays = {n: t.numpy() for n, t in to_detectron2(wanted).items()}
    arrays['proposal_generator.rpn_head.conv.weight'] = arrays[
        'backbone.fpn_output2.weight'
    ]
    content = dict(model=arrays, __author__='someone')
    path = tmp_path / 'model_final.pkl'
    path.write_bytes(pickle.dumps(content, protocol=2))
    model = started('mask_rcnn_fpn', str(path))
    expected = {n: t for n, t in wanted.items() if not n.endswith('tracked')}
    assert_holds(model, expected)


def test_parts_are_taken_alone(tmp_path):
    weights = detector('faster_rcnn').state_dict()
    path = save(weights, tmp_path / 'coco.pth')
    with pytest.raises(ValueError, match=r'neck: .*parts=\[.backbone.\]'):
        started('mask_rcnn_fpn', path)  # another neck and head
    model = started('mask_rcnn_fpn', dict(checkpoint=path, parts=['backbone']))
    expected = {n: t for n, t in weights.items() if n.startswith('backbone.')}
    assert_holds(model, expected, but=('neck.', 'roi_head.'))
    with pytest.raises(ValueError, match='no weights of shared_head'):
        started('mask_rcnn_fpn', dict(checkpoint=path, parts=['shared_head']))


def test_half_a_backbone_is_refused(tmp_path):
    weights = detector('mask_rcnn_fpn').state_dict()
    half = {n: t for n, t in weights.items() if '.layer3.' not in n}
    path = save(half, tmp_path / 'half.pth')
    with pytest.raises(ValueError, match=r'lacks 25 of its tensors.*layer3'):
        started('mask_rcnn_fpn', path)


def test_weights_that_are_not_numbers_are_refused(tmp_path):
    weights = detector('mask_rcnn_fpn').state_dict()
    weights['neck.fpn_convs.0.conv.weight'][0, 0, 0, 0] = float('nan')
    path = save(weights, tmp_path / 'nan.pth')
    with pytest.raises(ValueError, match='1 of .* are not finite.*fpn_convs'):
        started('mask_rcnn_fpn', path)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (dict(a=1), 'has no weights'),
        (dict(state_dict={'w.x': torch.ones(1)}), 'match no known program'),
        ([1], 'holds a list'),
    ],
)
def test_files_without_a_detector_are_refused(content, message, tmp_path):
    torch.save(content, tmp_path / 'odd.pth')
    with pytest.raises(ValueError, match=message):
        started('mask_rcnn_fpn', str(tmp_path / 'odd.pth'))


def test_a_file_of_text_gets_no_advice_to_run_it(tmp_path):
    path = tmp_path / 'config.pth'
    path.write_text('{"model": 1}')
    with pytest.raises(ValueError, match='not what `torch.save` writes') as e:
        started('mask_rcnn_fpn', str(path))
    assert 'weights_only' not in str(e.value)


def test_pickles_run_nothing(tmp_path):
    canary = tmp_path / 'ran'

    class Evil:
        def __reduce__(self):
            return (open, (str(canary), 'w'))

    for name in ('evil.pkl', 'evil.pth'):
        (tmp_path / name).write_bytes(pickle.dumps(dict(model=Evil())))
        with pytest.raises(ValueError, match='[Nn]othing of it was run'):
            started('mask_rcnn_fpn', str(tmp_path / name))
    assert not canary.exists()


def test_missing_file_and_odd_locations_are_named():
    with pytest.raises(FileNotFoundError, match='no checkpoint lost.pth'):
        started('mask_rcnn_fpn', 'lost.pth')
    with pytest.raises(ValueError, match='s3://x is not a location'):
        started('mask_rcnn_fpn', 's3://x')


def test_pretrained_weights_of_the_config_are_honoured(tmp_path):
    weights = detector('mask_rcnn_fpn').state_dict()
    path = save(weights, tmp_path / 'coco.pth')
    cfg = tiny_models.mask_rcnn_fpn()
    cfg['backbone']['init_cfg'] = dict(
        type='Pretrained', checkpoint=path, prefix='backbone.'
    )
    model = tiny_models.soco(cfg, [(1, 2)])
    expected = {n: t for n, t in weights.items() if n.startswith('backbone.')}
    assert_holds(model, expected, but=('neck.', 'roi_head.'))
    scratch = tiny_models.soco(cfg, [(1, 2)], init='scratch')
    key = 'backbone.conv1.weight'
    assert not torch.equal(scratch.encoder.state_dict()[key], weights[key])
    assert scratch.start_reports == []


def test_starts_by_config():
    cfg = tiny_models.mask_rcnn_c4()
    assert parse_starts(None, cfg) == []
    assert parse_starts('x.pth', cfg) == [Start('x.pth')]
    cfg['roi_head']['shared_head']['init_cfg'] = [
        dict(type='Normal'),
        PRETRAINED,
    ]
    cfg['backbone']['pretrained'] = 'old.pth'
    assert parse_starts(None, cfg) == [
        Start('old.pth', ('backbone',)),
        Start('weights.pth', ('shared_head',)),
    ]
    assert parse_starts('scratch', cfg) == []
    with pytest.raises(ValueError, match="got 'neck'"):
        parse_starts(dict(checkpoint='x', parts='neck'), cfg)
    with pytest.raises(ValueError, match='needs the key checkpoint'):
        parse_starts(dict(path='x'), cfg)
    with pytest.raises(TypeError, match='got int'):
        parse_starts(1, cfg)


def test_a_started_model_trains_copies_and_pickles(tmp_path):
    weights = detector('mask_rcnn_fpn').state_dict()
    model = started('mask_rcnn_fpn', save(weights, tmp_path / 'coco.pth'))
    twin = pickle.loads(pickle.dumps(copy.deepcopy(model)))
    losses = twin(**tiny_models.batch([(1, 2)]), mode='loss')
    assert torch.isfinite(losses['loss_12'])


def test_loaders_that_skip_names_cannot_start_from_scratch():
    """`load_from` a detector fitted no tensor, and nobody said so."""
    model = started('mask_rcnn_fpn', 'scratch')
    with pytest.raises(ValueError, match='set model.init to the file'):
        model.load_state_dict(detector('faster_rcnn').state_dict(), False)


def test_other_input_is_refused(tmp_path):
    weights = detector('mask_rcnn_fpn').state_dict()
    bgr = dict(channels='BGR', mean=[103.53, 116.28, 123.675], std=[1.0] * 3)
    path = save(weights, tmp_path / 'caffe.pth', input=bgr)
    preprocessor = dict(type='SoCoDataPreprocessor')
    kwargs = dict(init=path, data_preprocessor=preprocessor)
    with pytest.raises(ValueError, match='trained on BGR.*bgr_to_rgb=False'):
        tiny_models.soco(tiny_models.mask_rcnn_fpn(), [(1, 2)], **kwargs)
    cfg = tiny_models.mask_rcnn_fpn()
    cfg['data_preprocessor'].update(
        mean=bgr['mean'], std=bgr['std'], bgr_to_rgb=False
    )
    model = tiny_models.soco(cfg, [(1, 2)], **kwargs)
    assert model.input_convention.channels == 'BGR'


def test_damaged_bytes_are_noticed(tmp_path):
    """Each of 25 flipped bits gave other weights without a word."""
    path = tmp_path / 'weights.pth'
    state = {'backbone.conv1.weight': torch.randn(64, 3, 7, 7)}
    io.save_atomic(dict(state_dict=state), path)
    raw = path.read_bytes()
    start = raw.index(state['backbone.conv1.weight'].numpy().tobytes())
    for offset in range(0, 64 * 3 * 49 * 4, 1511):
        broken = bytearray(raw)
        broken[start + offset] ^= 1 << offset % 8
        path.write_bytes(broken)
        with pytest.raises(ValueError, match='is damaged'):
            io.load(path)
