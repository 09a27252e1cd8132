"""Boxes of a detector's RPN as proposals."""

import re
import shutil

import numpy as np
import pytest
import tiny_models
import torch
from command import assert_refused, call, succeed
from mmengine.config import Config
from PIL import Image
from proposal_samples import save_blocks

from mmsoco.models.rpn_finder import InputSize, RPNFinder
from mmsoco.proposals.filters import FilterSpec
from mmsoco.proposals.generation.generate import generate
from mmsoco.proposals.generation.job import Job
from mmsoco.proposals.generation.parts import Parts
from mmsoco.proposals.generation.worker import make_part
from mmsoco.proposals.store import ProposalStore
from mmsoco.structures.boxes import box_iou

NAMES = [f'{i}.png' for i in range(4)]
FILTERS = FilterSpec(min_size=4, min_scale=0.02, max_scale=1)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Pictures, a detector of mmdet, and a pretraining with the RPN."""
    root = tmp_path_factory.mktemp('rpn')
    for seed, name in enumerate(NAMES):
        save_blocks(root / 'images' / name, seed, 90, 120)
    torch.manual_seed(0)
    tiny_models.save_detector(root / 'a.pth', scale=(160, 96))
    soco = tiny_models.soco(
        tiny_models.mask_rcnn_fpn(), [(1, 2)], pretexts=[RPN]
    )
    pipeline = [dict(type='DrawViews', views=[dict(size=96)])]
    run = Config(
        dict(
            model=dict(type='SoCo', detector=tiny_models.mask_rcnn_fpn()),
            train_dataloader=dict(dataset=dict(pipeline=pipeline)),
        )
    )
    meta = dict(cfg=run.pretty_text)
    torch.save(dict(state_dict=soco.state_dict(), meta=meta), root / 'b.pth')
    return root


RPN = dict(type='RPNPretext')


def job(folder, out, **options):
    return Job(
        image_root=str(folder / 'images'),
        all_names=NAMES,
        out=str(out),
        search=RPNFinder(str(folder / 'a.pth'), **options),
        filters=FILTERS,
    )


def test_boxes_are_those_of_mmdets_own_prediction(folder):
    """Another way: mmdet's API on the resized picture, scaled by hand."""
    rgb = np.array(Image.open(folder / 'images' / '0.png'))
    rgb = np.tile(rgb, (2, 2, 1))[:96, :160]  # needs no resize
    found = RPNFinder(str(folder / 'a.pth'), number=20).find(rgb)
    cfg = tiny_models.mask_rcnn_fpn()
    cfg['test_cfg']['rpn'].update(
        nms_pre=2000, max_per_img=20, nms=dict(type='nms', iou_threshold=0.7)
    )
    twin = tiny_models.build_detector(cfg).eval()
    weights = torch.load(folder / 'a.pth', weights_only=True)
    twin.load_state_dict(weights['state_dict'])
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in MEAN_STD)
    pixels = torch.from_numpy(rgb.astype(np.float32)).permute(2, 0, 1)
    with torch.no_grad():
        maps = twin.extract_feat(((pixels - mean) / std)[None])
        outputs = twin.rpn_head(maps)
        [expected] = twin.rpn_head.predict_by_feat(
            *outputs, batch_img_metas=[dict(img_shape=(96, 160))]
        )
    boxes = expected.bboxes.numpy()
    assert len(found) == len(boxes) == 20
    np.testing.assert_allclose(found, boxes, atol=0.51)


MEAN_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


def test_a_detector_with_another_input_is_refused(folder, tmp_path):
    content = torch.load(folder / 'a.pth', weights_only=True)
    bgr = dict(channels='BGR', mean=[0, 0, 0], std=[1, 1, 1])
    content['meta']['input'] = bgr
    torch.save(content, tmp_path / 'bgr.pth')
    with pytest.raises(ValueError, match='bgr.pth was trained on BGR'):
        RPNFinder(str(tmp_path / 'bgr.pth')).prepare()


def test_boxes_lie_in_the_picture_and_are_whole(folder):
    rgb = np.array(Image.open(folder / 'images' / '0.png'))
    for weights in ('a.pth', 'b.pth'):
        boxes = RPNFinder(str(folder / weights), number=30).find(rgb)
        assert 1 < len(boxes) <= 30
        assert (boxes >= 0).all() and (boxes <= [120, 90] * 2).all()
        assert (boxes % 1 == 0).all()
        assert (boxes[:, 2:] > boxes[:, :2]).all()


def test_a_store_tells_where_its_boxes_come_from(folder, tmp_path):
    wanted = job(folder, tmp_path / 'a.arrow', number=50)
    store = generate(wanted, 1, progress=lambda _: None).store
    assert store.metadata['search'] == wanted.search.as_dict()
    assert store.metadata['search']['detector'] == 'a.pth'
    assert store.metadata['boxes'] > len(NAMES)
    other = job(folder, tmp_path / 'a.arrow', number=51)
    with pytest.raises(FileExistsError, match="'number': 51"):
        generate(other, 1, progress=lambda _: None)


def test_resumed_bytes_are_equal(folder, tmp_path):
    """Parts of an interrupted call, cut in another way."""
    whole = job(folder, tmp_path / 'a.arrow')
    generate(whole, 1, progress=lambda _: None)
    resumed = job(folder, tmp_path / 'b.arrow')
    parts = Parts(resumed)
    parts.begin()
    make_part(
        resumed.images, NAMES[:3], str(next(parts.new_paths())),
        resumed.search, FILTERS, False, resumed.memory_limit(1),
    )  # fmt: skip
    lines = []
    generate(resumed, 1, report=lines.append, progress=lambda _: None)
    assert 'continuing after 3 of 4 images' in lines
    assert resumed.out_path.read_bytes() == whole.out_path.read_bytes()


def test_the_size_of_the_input():
    assert InputSize((224, 200), keeps_aspect=False).fit(90, 120) == (224, 200)
    # the shorter side fits first, then the longer one
    assert InputSize((1333, 800)).fit(480, 640) == (800, 1067)
    assert InputSize((800, 1333)).fit(300, 1200) == (333, 1333)


def test_the_commands_of_a_second_round(folder, tmp_path):
    images, first = folder / 'images', tmp_path / 'search.arrow'
    limits = ('--min-size=4', '--min-scale=0.02', '--workers=1')
    succeed('propose', images, '--out', first, *limits)
    out = tmp_path / 'more.arrow'
    others = folder / 'others'
    others.mkdir()
    shutil.copy(next(images.iterdir()), others)
    outcome = call(
        'propose', others, '--out', out, '--detector', folder / 'a.pth',
        '--join', first,
    )  # fmt: skip
    assert_refused(outcome, 'is of other images than')
    assert not [*tmp_path.glob('more*')]  # nothing was made first
    command = (
        'propose', images, '--out', out, *limits, '--detector',
        folder / 'a.pth', '--boxes=40', '--join', first,
    )  # fmt: skip
    text = succeed(*command)
    assert 'joined with' in text
    before, after = ProposalStore(first), ProposalStore(out)
    detector = ProposalStore(tmp_path / 'more.detector.arrow')
    for one, two, three in zip(before, after, detector, strict=True):
        count = len(one.bboxes)
        np.testing.assert_array_equal(two.bboxes[:count], one.bboxes)
        added = two.bboxes[count:]
        known = {tuple(box) for box in three.bboxes.tolist()}
        assert {tuple(box) for box in added.tolist()} <= known
        overlaps = box_iou(added, two.bboxes)
        assert (overlaps >= 0.7).sum() == len(added)  # with themselves
    assert after.metadata['boxes'] > before.metadata['boxes']
    content = out.read_bytes()
    succeed(*command)
    assert out.read_bytes() == content


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--size=64'], '--size needs --detector'),
        (['--join=x.arrow'], '--join needs --detector'),
        (['--detector=a.pth', '--scale=100'], '--scale is an option of'),
        (['--detector=no.pth'], r'no\.pth'),
        (['--detector=plain.pth'], 'no weights of rpn_head.*--rpn'),
        (['--detector=bare.pth'], '--detector-config'),
        (['--detector=retina.pth'], 'no rpn_head'),
        (['--detector=deep.pth'], '4 channels.*RGB'),
    ],
)
def test_bad_input_is_named(folder, tmp_path, monkeypatch, options, message):
    shutil.copy(folder / 'a.pth', tmp_path)
    whole = torch.load(folder / 'a.pth', weights_only=True)
    state = {
        name: tensor
        for name, tensor in whole['state_dict'].items()
        if not name.startswith('rpn_head.')
    }
    retina = Config(dict(model=tiny_models.retinanet())).pretty_text
    model = tiny_models.mask_rcnn_fpn(in_channels=4)
    deep = Config(dict(model=model)).pretty_text
    for name, content in (
        ('plain', dict(whole, state_dict=state)),
        ('bare', dict(state_dict=state)),
        ('retina', dict(state_dict=state, meta=dict(cfg=retina))),
        ('deep', dict(state_dict=state, meta=dict(cfg=deep))),
    ):
        torch.save(content, tmp_path / f'{name}.pth')
    monkeypatch.chdir(tmp_path)
    outcome = call(
        'propose', folder / 'images', '--out', 'out.arrow', *options
    )
    assert outcome.status == 1
    assert re.search(message, outcome.err), outcome.err
    assert not (tmp_path / 'out.arrow').exists()
