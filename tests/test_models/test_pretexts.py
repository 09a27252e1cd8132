"""The RPN as a pretext, against mmdet's own detector."""

import copy
import re

import numpy as np
import pytest
import tiny_models
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from plain_boxes import iou
from saved_states import differences
from small_pictures import write_noise, write_store
from small_runs import small_runner
from tiny_models import total

from mmsoco.checkpoints import io
from mmsoco.checkpoints.export import detector_state
from mmsoco.checkpoints.load_report import compare
from mmsoco.models import SoCo, detector_parts
from mmsoco.models.pretexts import LenientAssigner, rpn_config

PAIRS = [(1, 2)]
RPN = [dict(type='RPNPretext')]
PACK = dict(type='PackViews')
TWO_STAGE = [
    'mask_rcnn_fpn',
    'mask_rcnn_c4',
    'faster_rcnn_pafpn',
    'cascade_rcnn',
    'faster_rcnn_swin',
]


def build(name='mask_rcnn_fpn', pretexts=RPN, **options) -> SoCo:
    cfg = tiny_models.DETECTORS[name]()
    return tiny_models.soco(cfg, PAIRS, pretexts=pretexts, **options)


def batch(**options) -> dict:
    return tiny_models.batch(PAIRS, pretext_views=(1, 2), **options)


@pytest.mark.parametrize(
    ('cfg', 'pretexts', 'left_out'),
    [
        (tiny_models.mask_rcnn_fpn(), [], 'rpn_head, mask_head'),
        (tiny_models.mask_rcnn_fpn(), RPN, 'mask_head'),
        (tiny_models.faster_rcnn(), RPN, 'nothing'),
        (tiny_models.retinanet(), [], 'bbox_head'),
        # as in DETR
        (
            tiny_models.retinanet() | dict(encoder={}, decoder={}),
            [],
            'bbox_head, encoder, decoder',
        ),
    ],
)
def test_the_log_says_what_is_left_out(monkeypatch, cfg, pretexts, left_out):
    messages = []
    monkeypatch.setattr(
        detector_parts, 'print_log', lambda text, **_: messages.append(text)
    )
    tiny_models.soco(cfg, PAIRS, pretexts=pretexts)
    [message] = messages
    assert message.endswith(f'no pretext task: {left_out}')


@pytest.mark.parametrize('name', TWO_STAGE)
def test_one_step_trains_every_parameter(name):
    model = build(name, roi_levels='assigned').train()
    losses = model(**batch(), mode='loss')
    assert {'loss_12', 'loss_rpn_cls', 'loss_rpn_bbox'} < set(losses)
    total(losses).backward()
    assert tiny_models.untrained(model) == []
    assert all(p.grad.isfinite().all() for p in model.pretexts.parameters())


def test_without_a_pretext_nothing_changes():
    """Not a bit, and not a name."""
    plain, empty = (
        tiny_models.soco(tiny_models.mask_rcnn_fpn(), PAIRS, **options)
        for options in ({}, dict(pretexts=[]))
    )
    beside = build()
    names = set(plain.state_dict())
    assert names == set(empty.state_dict())
    new = set(beside.state_dict()) - names
    assert {name.split('.')[:3][2] for name in new} == {'rpn_head'}
    assert names < set(beside.state_dict())
    # The RPN takes random numbers before the others do.
    beside.load_state_dict(plain.state_dict(), strict=False)
    losses = [
        model(**batch(), mode='loss') for model in (plain, empty, beside)
    ]
    for name, loss in losses[0].items():
        assert torch.equal(loss, losses[1][name])
        assert torch.equal(loss, losses[2][name]), name


def test_loss_is_that_of_mmdets_detector():
    """The same weights, views and boxes in the detector's own training."""
    cfg = tiny_models.mask_rcnn_fpn()
    model = build(pretexts=[dict(type='RPNPretext', weight=0.5)]).train()
    detector = tiny_models.build_detector(cfg).train()
    state = detector_state(model.state_dict())
    detector.load_state_dict(state, strict=False)
    data = batch(sizes=(96, 80))
    torch.manual_seed(3)  # of the anchors that are drawn
    found = model(**copy.deepcopy(data), mode='loss')
    expected = dict(loss_rpn_cls=0, loss_rpn_bbox=0)
    torch.manual_seed(3)
    for view in (1, 2):
        images = data['inputs'][view - 1]
        samples = []
        for rows in data['data_samples']['proposals'][view]:
            shape = tuple(images.shape[2:])
            one = DetDataSample(
                metainfo=dict(img_shape=shape, pad_shape=shape)
            )
            one.gt_instances = InstanceData(
                bboxes=rows[:, :4], labels=torch.zeros(len(rows)).long()
            )
            samples.append(one)
        features = detector.extract_feat(images)
        for name, loss in detector.rpn_head.loss(features, samples).items():
            # weight 0.5, two views
            expected[name] = expected[name] + 0.5 * sum(loss) / 2
    for name, loss in expected.items():
        torch.testing.assert_close(found[name], loss)
        assert loss > 0


def test_the_pyramid_of_these_views_is_whole():
    model = build(roi_levels='assigned')
    data = tiny_models.batch(
        [(1, 2), (1, 3)], sizes=(224, 224, 224), pretext_views=(1,)
    )
    for boxes in data['data_samples']['bboxes']:
        boxes[:] = torch.tensor([0, 0, 210, 210])  # P5 alone
    pretexts = [dict(type='RPNPretext', views=(1,))]
    model = tiny_models.soco(
        tiny_models.mask_rcnn_fpn(), pretexts=pretexts, roi_levels='assigned'
    )
    maps = []
    model.encoder.register_forward_hook(lambda *args: maps.append(args[-1]))
    model(**data, mode='loss')
    assert [m is None for m in maps[0]] == [False] * 5  # P2 to P6
    assert [m is None for m in maps[1]][:3] == [True] * 3


@pytest.mark.parametrize('count', [0, 1])
def test_few_proposals(count):
    model = build()
    data = batch()
    for view in (1, 2):
        data['data_samples']['num_proposals'][view][:] = count
    total(model(**data, mode='loss')).backward()
    weights = model.pretexts[0].rpn_head.rpn_reg.weight
    assert weights.grad.isfinite().all()


def test_padding_is_not_looked_at():
    model, data = build(), batch()
    torch.manual_seed(0)
    plain = model(**data, mode='loss')['loss_rpn_cls']
    for view, rows in data['data_samples']['proposals'].items():
        noise = torch.rand(len(rows), 9, 5) * 90
        data['data_samples']['proposals'][view] = torch.cat([rows, noise], 1)
    torch.manual_seed(0)
    assert torch.equal(model(**data, mode='loss')['loss_rpn_cls'], plain)


def test_cut_off_and_small_boxes_are_undecided():
    pretext = build(
        pretexts=[dict(type='RPNPretext', min_visible=0.4, min_side=6)]
    ).pretexts[0]
    rows = torch.tensor(
        [
            [0, 0, 20, 20, 1.0],
            [0, 0, 20, 20, 0.4],
            [0, 0, 20, 20, 0.39],
            [0, 0, 6, 20, 1.0],
            [0, 0, 5.9, 20, 1.0],
        ]
    )
    taken, undecided = pretext.split(rows)
    assert taken.bboxes.tolist() == rows[[0, 1, 3], :4].tolist()
    assert undecided.bboxes.tolist() == rows[[2, 4], :4].tolist()
    assert taken.labels.tolist() == [0] * 3


def test_assignment_equals_a_loop_over_anchors():
    """mmdet's thresholds 0.7 and 0.3; undecided boxes spare background."""
    rng = torch.Generator().manual_seed(0)
    starts = torch.rand(3, 60, 2, generator=rng) * 60
    sides = 8 + torch.rand(3, 60, 2, generator=rng) * 60
    anchors, boxes, undecided = torch.cat([starts, starts + sides], dim=2)
    boxes, undecided = boxes[:6], undecided[:6]
    assigner = LenientAssigner(
        pos_iou_thr=0.7, neg_iou_thr=0.3, min_pos_iou=0.3,
        match_low_quality=False,
    )  # fmt: skip
    result = assigner.assign(
        InstanceData(priors=anchors),
        InstanceData(bboxes=boxes, labels=torch.zeros(6).long()),
        InstanceData(bboxes=undecided),
    )
    expected = []
    for anchor in anchors.tolist():
        overlaps = [iou(anchor, box) for box in boxes.tolist()]
        lenient = max(iou(anchor, box) for box in undecided.tolist())
        if max(overlaps) >= 0.7:
            expected.append(1 + overlaps.index(max(overlaps)))
        elif max(overlaps) >= 0.3 or lenient >= 0.3:
            expected.append(-1)
        else:
            expected.append(0)
    assert result.gt_inds.tolist() == expected
    assert {-1, 0} <= set(expected)
    plain = assigner.assign(
        InstanceData(priors=anchors),
        InstanceData(bboxes=boxes, labels=torch.zeros(6).long()),
        InstanceData(bboxes=torch.zeros(0, 4)),
    )
    assert (plain.gt_inds == 0).sum() > (result.gt_inds == 0).sum()


@pytest.mark.parametrize('name', TWO_STAGE)
def test_the_rpn_arrives_in_the_detector(name):
    model = build(name)
    detector = tiny_models.build_detector(tiny_models.DETECTORS[name]())
    state = detector_state(model.state_dict())
    report = compare(state, detector.state_dict())
    report.check()
    assert report.parts['rpn_head'].new == []
    assert len(report.parts['rpn_head'].loaded) == 6
    weight = model.pretexts[0].rpn_head.rpn_conv.weight
    assert torch.equal(state['rpn_head.rpn_conv.weight'], weight)


def test_start_from_a_detector_loads_its_rpn():
    torch.manual_seed(5)
    detector = tiny_models.build_detector(tiny_models.mask_rcnn_fpn())
    checkpoint = dict(state_dict=detector.state_dict())
    report = build().start_from(checkpoint, 'detector.pth')
    assert len(report.parts['rpn_head'].loaded) == 6
    without = build(pretexts=[]).start_from(checkpoint, 'detector.pth')
    assert 'rpn_head' not in without.parts


def test_weights_without_an_rpn(tmp_path):
    """Asked for, it is an error; else the RPN keeps its random start."""
    state = detector_state(build(pretexts=[]).state_dict())
    torch.save(dict(state_dict=state), tmp_path / 'a.pth')
    path = str(tmp_path / 'a.pth')
    report = build().start_from(dict(state_dict=state), path)
    assert len(report.parts['rpn_head'].new) == 6
    with pytest.raises(ValueError, match=r'no weights of rpn_head.*neck'):
        build(init=dict(checkpoint=path, parts=['rpn_head', 'neck']))


@pytest.mark.parametrize('name', ['retinanet', 'fcos'])
def test_one_stage_detectors_are_refused(name):
    with pytest.raises(ValueError, match='one-stage detector.*Faster R-CNN'):
        build(name)


def test_what_does_not_fit_is_refused():
    cfg = tiny_models.mask_rcnn_fpn()
    del cfg['train_cfg']
    with pytest.raises(ValueError, match='no train_cfg.rpn'):
        tiny_models.soco(cfg, PAIRS, pretexts=RPN)
    cfg = tiny_models.mask_rcnn_fpn()
    cfg['rpn_head']['anchor_generator']['strides'] = [4, 8]
    with pytest.raises(ValueError, match=r'\(16, 4\), \(16, 8\)\]'):
        tiny_models.soco(cfg, PAIRS, pretexts=RPN)
    with pytest.raises(ValueError, match=r'\[3\].*no pair'):
        build(pretexts=[dict(type='RPNPretext', views=(1, 3))])
    with pytest.raises(ValueError, match='train a part named rpn_head'):
        build(pretexts=RPN * 2)
    for weight in (0, float('inf')):
        with pytest.raises(ValueError, match=f'weight of RPN.*got {weight}'):
            build(pretexts=[dict(type='RPNPretext', weight=weight)])
    with pytest.raises(ValueError, match=r"list of dicts.*got 'RPNPretext'"):
        build(pretexts=['RPNPretext'])
    with pytest.raises(ValueError, match='min_visible'):
        build(pretexts=[dict(type='RPNPretext', min_visible=2)])


def test_a_batch_without_proposals_names_the_transform():
    with pytest.raises(ValueError, match='on view 1.*ShowProposals'):
        build()(**tiny_models.batch(PAIRS), mode='loss')


def test_the_config_of_the_detector_is_not_changed():
    cfg = tiny_models.mask_rcnn_fpn()
    before = copy.deepcopy(cfg)
    rpn_config(cfg)
    assert cfg == before


def run(work_dir, images, **settings):
    """Two epochs of two steps on the pictures of a folder."""
    model = tiny_models.soco_config(
        tiny_models.mask_rcnn_fpn(), PAIRS, pretexts=RPN,
        data_preprocessor=dict(type='SoCoDataPreprocessor'),
    )  # fmt: skip
    draw = dict(
        type='DrawViews',
        views=[dict(type='WholeImageView', size=64)] * 2,
        pairs=PAIRS,
    )
    small_runner(
        work_dir,
        model=model,
        train_dataloader=dict(
            collate_fn=dict(type='default_collate'),
            dataset=dict(
                type='ProposalDataset',
                image_root=str(images),
                proposals=str(images / 'a.arrow'),
                pipeline=[draw, dict(type='ShowProposals'), PACK],
            ),
        ),
        train_cfg=dict(max_epochs=2),
        optim_wrapper=dict(optimizer=dict(lr=0.01)),
        **settings,
    ).train()
    return io.load_run(work_dir / 'epoch_2.pth')


def test_a_resumed_run_is_equal_bit_for_bit(tmp_path):
    """The anchors that are drawn too."""
    names = ('a.png', 'b.png', 'c.png', 'd.png')
    boxes = [[0, 0, 60, 60], [30, 20, 70, 60], [5, 40, 60, 85]]
    write_noise(tmp_path, names)
    write_store(tmp_path / 'a.arrow', names, boxes)
    whole = run(tmp_path / 'whole', tmp_path)
    resumed = run(
        tmp_path / 'resumed', tmp_path, resume=True,
        load_from=str(tmp_path / 'whole' / 'epoch_1.pth'),
    )  # fmt: skip
    assert resumed['meta']['iter'] == 4
    first = io.load_run(tmp_path / 'whole' / 'epoch_1.pth')['state_dict']
    name = 'pretexts.0.rpn_head.rpn_cls.weight'
    assert not torch.equal(first[name], whole['state_dict'][name])
    work_dirs = tmp_path / 'whole', tmp_path / 'resumed'
    assert differences(*work_dirs, 'epoch_2.pth') == []


@pytest.fixture(scope='module')
def example(repo_dir):
    """The class in the documents, as a reader would type it."""
    text = (repo_dir / 'docs' / 'pretexts.md').read_text('utf-8')
    [code] = re.findall(r'^```python\n(.*?)^```', text, re.M | re.S)
    assert len(code.splitlines()) < 40
    names = {}
    exec(code, names)
    return names['CoveragePretext']


def test_the_example_of_the_documents_trains(example):
    """Its loss is that of a loop over cells, and its weights stay behind."""
    config = dict(type='CoveragePretext', level=2, views=(2,), weight=0.5)
    model = build(pretexts=[*RPN, config])
    data = batch()
    losses = model(**data, mode='loss')
    total(losses).backward()
    pretext = model.pretexts[1]
    assert type(pretext) is example
    assert pretext.score.weight.grad.abs().sum() > 0
    with torch.no_grad():
        maps = model.encoder(data['inputs'][1])[2]
        scores = pretext.score(maps)[:, 0]
    entropies = []
    for own, rows in zip(
        scores, data['data_samples']['proposals'][2].tolist(), strict=True
    ):
        for i, j in np.ndindex(*own.shape):
            y, x = 16 * (i + 0.5), 16 * (j + 0.5)
            inside = any(
                x1 <= x < x2 and y1 <= y < y2 for x1, y1, x2, y2, _ in rows
            )
            p = 1 / (1 + np.exp(-own[i, j].item()))
            entropies.append(-np.log(p if inside else 1 - p))
    expected = 0.5 * np.mean(entropies)
    assert losses['loss_coverage'].item() == pytest.approx(expected, rel=1e-4)
    assert not any('score' in n for n in detector_state(model.state_dict()))
