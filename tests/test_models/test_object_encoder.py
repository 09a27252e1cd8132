"""The encoder against the detector that it is built from."""

import collections
import copy
import pickle

import pytest
import tiny_models
import torch
from torch import nn

from mmsoco.checkpoints.load_report import part_of
from mmsoco.models import ObjectEncoder
from mmsoco.models.detector_parts import pretraining_config
from mmsoco.models.object_encoder import reset_parameters
from mmsoco.registry import MODELS

TWO_STAGE = [
    name for name in tiny_models.DETECTORS if name not in ('retinanet', 'fcos')
]
NO_PRETEXT = ('rpn_head', 'mask_head')


@pytest.fixture(scope='module')
def encoder() -> ObjectEncoder:
    torch.manual_seed(0)
    encoder = ObjectEncoder(tiny_models.mask_rcnn_fpn())
    encoder.init_weights()
    return encoder


def box(size: float) -> torch.Tensor:
    """One square box of a size, (1, 1, 4)."""
    return torch.tensor([[[1.0, 1, 1 + size, 1 + size]]])


def random_boxes(num_images: int, num_boxes: int) -> torch.Tensor:
    """Boxes on views of 96 pixels."""
    rng = torch.Generator().manual_seed(3)
    return tiny_models.random_boxes(num_images, num_boxes, 96, rng)


@pytest.mark.parametrize('name', TWO_STAGE)
def test_names_and_shapes_are_the_detectors(name):
    cfg = tiny_models.DETECTORS[name]()
    cfg['backbone']['init_cfg'] = None
    detector = tiny_models.build_detector(cfg).state_dict()
    encoder = ObjectEncoder(cfg).state_dict()
    for key, value in encoder.items():
        assert detector[key].shape == value.shape, key
    left_out = {
        key
        for key in set(detector) - set(encoder)
        if part_of(key) not in NO_PRETEXT
    }
    assert all(
        key.split('.')[-2] in ('fc_cls', 'fc_reg') for key in left_out
    ), left_out


@pytest.mark.parametrize(
    ('level', 'sizes'),
    [
        (0, (0, 1, 47.9)),
        (1, (48, 95.9)),
        (2, (96, 191.9)),
        (3, (192, 224, 5000)),
    ],
)
def test_levels_change_at_48_96_and_192_pixels(encoder, level, sizes):
    for rois in encoder.assign([box(size) for size in sizes]):
        assert rois.levels.tolist() == [level]
        assert rois.used == (level,)


def test_levels_follow_the_area_not_a_side(encoder):
    [rois] = encoder.assign([torch.tensor([[[0.0, 0, 12, 192]]])])
    assert rois.levels.tolist() == [1]  # sqrt(12 * 192) = 48


def test_levels_without_any_box_are_tied_to_the_last_set(encoder):
    first, last = encoder.assign([box(40), box(100)])
    assert (first.used, last.used) == ((0,), (2,))
    assert first.tied == ()
    assert last.tied == (1, 3, 4)  # 4 is the FPN's map for the RPN


def test_nothing_is_frozen():
    cfg = tiny_models.mask_rcnn_fpn(frozen_stages=2, norm_eval=True)
    cfg['backbone']['norm_cfg'] = dict(type='BN', requires_grad=False)
    encoder = ObjectEncoder(cfg).train()
    assert all(p.requires_grad for p in encoder.parameters())
    norms = [m for m in encoder.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms
    assert all(norm.training for norm in norms)


def test_nothing_is_frozen_where_stages_count_from_0():
    """EfficientNet refuses the -1 by which other backbones freeze nothing."""
    cfg = tiny_models.mask_rcnn_fpn()
    cfg['backbone'] = dict(
        type='EfficientNet', arch='b0', out_indices=(2, 3, 4, 5)
    )
    cfg['backbone']['frozen_stages'] = 2
    cfg['neck']['in_channels'] = [24, 40, 112, 320]
    encoder = ObjectEncoder(cfg)
    assert all(p.requires_grad for p in encoder.parameters())


def test_silent_norm_eval_of_mmdet_is_turned_off():
    cfg = tiny_models.mask_rcnn_fpn()
    del cfg['backbone']['norm_eval']
    assert ObjectEncoder(cfg).train().backbone.bn1.training


def test_pretraining_config_leaves_the_original():
    cfg = dict(
        frozen_stages=1,
        pretrained='x',
        init_cfg=[dict(type='Pretrained', checkpoint='x')],
        stages=[dict(norm_cfg=dict(type='BN', requires_grad=False))],
    )
    before = copy.deepcopy(cfg)
    assert pretraining_config(cfg) == dict(
        stages=[dict(norm_cfg=dict(type='BN', requires_grad=True))],
    )
    assert cfg == before


def test_other_init_cfg_is_kept():
    cfg = dict(init_cfg=dict(type='Kaiming', layer='Conv2d'))
    assert pretraining_config(cfg) == cfg


def test_backbone_starts_with_fan_out_and_zero_last_norms(encoder):
    block = encoder.backbone.layer2[0]
    assert torch.equal(block.bn2.weight, torch.zeros_like(block.bn2.weight))
    assert torch.equal(block.bn1.weight, torch.ones_like(block.bn1.weight))
    weight = encoder.backbone.layer4[1].conv1.weight  # 64 x 64 x 3 x 3
    expected = (2 / (64 * 9)) ** 0.5
    assert weight.std().item() == pytest.approx(expected, rel=0.05)


def test_neck_and_head_start_with_pytorchs_defaults(encoder):
    for layer in (
        encoder.neck.fpn_convs[0].conv,
        encoder.bbox_head.shared_convs[1].conv,
        encoder.bbox_head.shared_fcs[0],
    ):
        fan_in = layer.weight[0].numel()
        bound = fan_in**-0.5  # uniform in +- 1 / sqrt(fan in)
        assert layer.weight.abs().max() <= bound
        assert layer.weight.std().item() == pytest.approx(
            bound / 3**0.5, rel=0.1
        )


def test_neck_and_head_can_start_as_in_a_fresh_detector():
    encoder = ObjectEncoder(
        tiny_models.mask_rcnn_fpn(), initialization='detector'
    )
    encoder.init_weights()
    # Xavier, uniform: the bound is sqrt(6 / (fan in + fan out)).
    for layer, window in (
        (encoder.neck.fpn_convs[0].conv, 9),
        (encoder.neck.lateral_convs[3].conv, 1),
        (encoder.bbox_head.shared_fcs[0], 1),
    ):
        fans = sum(layer.weight.shape[:2]) * window
        bound = (6 / fans) ** 0.5
        assert 0.9 * bound < layer.weight.abs().max() <= bound
    # Kaiming, normal, fan out: mmcv's ConvModule in a list of layers.
    conv = encoder.bbox_head.shared_convs[1].conv
    expected = (2 / (conv.out_channels * 9)) ** 0.5
    assert conv.weight.std().item() == pytest.approx(expected, rel=0.1)
    before = conv.weight.clone()
    encoder.init_weights()
    assert not torch.equal(conv.weight, before)


@pytest.mark.parametrize(
    'config',
    [
        tiny_models.mask_rcnn_c4,
        tiny_models.retinanet,
        tiny_models.cascade_rcnn,
        tiny_models.faster_rcnn_swin,
    ],
)
def test_every_kind_of_detector_can_start_as_a_fresh_one(config):
    encoder = ObjectEncoder(config(), initialization='detector')
    encoder.init_weights()
    assert all(p.isfinite().all() for p in encoder.parameters())


def test_unknown_initialization_is_refused():
    with pytest.raises(ValueError, match="'published', 'detector'.*'mmdet'"):
        ObjectEncoder(tiny_models.mask_rcnn_fpn(), initialization='mmdet')


def test_residual_stage_of_c4_starts_like_the_backbone():
    encoder = ObjectEncoder(tiny_models.mask_rcnn_c4())
    encoder.init_weights()
    block = encoder.shared_head.layer4[1]
    assert not block.bn2.weight.any()
    expected = (2 / (512 * 9)) ** 0.5
    assert block.conv1.weight.std().item() == pytest.approx(expected, rel=0.05)


def test_reset_parameters_reaches_every_layer():
    module = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.BatchNorm1d(2)))
    for parameter in module.parameters():
        nn.init.constant_(parameter, 7)
    reset_parameters(module)
    assert not any((p == 7).any() for p in module.parameters())


def naive_embed(encoder, features, rois, heads):
    """The last head's output of one set, without any sharing or skipping.

    Every box goes through every level, rows of other levels are zeroed
    after; with 'assigned' each box is pooled alone.
    """
    layers = encoder.roi_extractor.roi_layers

    def run(x):
        for conv in encoder.bbox_head.shared_convs:
            x = conv(x)
        x = x.flatten(1)
        for layer in encoder.bbox_head.shared_fcs:
            x = layer(x).relu()
        for head in heads:
            [x] = head((x,))
        return x

    if encoder.roi_levels == 'assigned':
        return run(
            torch.cat(
                [
                    layers[level](features[level], box[None])
                    for box, level in zip(rois.boxes, rois.levels, strict=True)
                ]
            )
        )
    return sum(
        run(layer(features[level], rois.boxes))
        * (rois.levels == level).float()[:, None]
        for level, layer in enumerate(layers)
    )


def neck(in_channels: int) -> nn.Module:
    """A projector of mmselfsup: linear, batch norm, ReLU, linear."""
    return MODELS.build(
        dict(
            type='mmselfsup.NonLinearNeck',
            in_channels=in_channels,
            hid_channels=16,
            out_channels=8,
            with_avg_pool=False,
            norm_cfg=dict(type='BN1d'),
            with_last_bn=False,
            with_last_bias=True,
        )
    )


def group_norm() -> dict:
    cfg = tiny_models.mask_rcnn_fpn()
    norm = dict(type='GN', num_groups=4)
    cfg['roi_head']['bbox_head']['norm_cfg'] = norm
    return cfg


def two_sets() -> list[torch.Tensor]:
    """Boxes of two sets: 8 on levels 0 and 1, 12 on levels 1 and 2."""
    first = torch.tensor([[9.0, 9, 40, 50], [40, 40, 120, 110]])
    second = torch.tensor(
        [[0.0, 9, 99, 99], [70, 30, 140, 100], [9, 9, 120, 130]]
    )
    return [first.repeat(4, 1, 1), second.repeat(4, 1, 1)]


@pytest.mark.parametrize('roi_levels', ['all', 'assigned'])
@pytest.mark.parametrize(
    ('make', 'runs_of'),
    [
        # Batch norm runs once per set and level, or once per set.
        (tiny_models.mask_rcnn_fpn, dict(all=4, assigned=2)),
        # No statistics: the trunk runs once, whatever the sets and levels.
        (tiny_models.faster_rcnn, dict(all=1, assigned=1)),
        (group_norm, dict(all=1, assigned=1)),
    ],
)
def test_sets_of_a_view_share_calls_not_statistics(make, runs_of, roi_levels):
    """Against each set by itself: outputs, gradients, running statistics."""
    torch.manual_seed(1)
    encoder = ObjectEncoder(make(), roi_levels)
    encoder.init_weights()
    shared = nn.ModuleList([encoder, neck(32), neck(8)]).train()
    naive = copy.deepcopy(shared)
    calls = collections.Counter()
    encoder.bbox_head.register_forward_hook(lambda *_: calls.update(['trunk']))
    for layer in encoder.roi_extractor.roi_layers:
        layer.register_forward_hook(lambda *_: calls.update(['pooling']))
    images = torch.randn(4, 3, 192, 192)
    sets = encoder.assign(two_sets())
    assert [rois.used for rois in sets] == [(0, 1), (1, 2)]

    embedded = encoder.embed(encoder(images), sets, shared[1:])
    found = [outputs[-1] for outputs in embedded]
    features = naive[0](images)
    expected = [
        naive_embed(naive[0], features, rois, naive[1:]) for rois in sets
    ]
    assert calls == dict(trunk=runs_of[roi_levels], pooling=3)
    for of_shared, of_naive in zip(found, expected, strict=True):
        torch.testing.assert_close(of_shared, of_naive, rtol=1e-4, atol=1e-4)
        weight = torch.randn_like(of_naive)
        (of_shared * weight).sum().backward(retain_graph=True)
        (of_naive * weight).sum().backward(retain_graph=True)
    for own, other in zip(
        shared.parameters(), naive.parameters(), strict=True
    ):
        gradient = torch.zeros_like(own) if other.grad is None else other.grad
        torch.testing.assert_close(own.grad, gradient, rtol=1e-4, atol=1e-4)
    if roi_levels == 'assigned':  # the loop over all levels moves others too
        for own, other in zip(shared.buffers(), naive.buffers(), strict=True):
            torch.testing.assert_close(own, other)


@torch.no_grad()
def test_in_eval_mode_sets_share_every_call(encoder):
    twin = copy.deepcopy(encoder).eval()
    calls = []
    twin.bbox_head.register_forward_hook(lambda *_: calls.append(1))
    sets = twin.assign(two_sets())
    together = twin.embed(twin(images := torch.randn(4, 3, 192, 192)), sets)
    assert len(calls) == 1
    for rois, [own] in zip(sets, together, strict=True):
        [[alone]] = twin.embed(twin(images), [rois])
        torch.testing.assert_close(own, alone)


def test_all_and_assigned_agree_without_batch_statistics(encoder):
    twin = copy.deepcopy(encoder).eval()
    images = torch.randn(2, 3, 96, 96)
    boxes = tiny_models.random_boxes(
        2, 5, 96, torch.Generator().manual_seed(3)
    )
    outputs = []
    for roi_levels in ('all', 'assigned'):
        twin.roi_levels = roi_levels
        [rois] = twin.assign([boxes])
        outputs += twin.embed(twin(images), [rois])[0]
    torch.testing.assert_close(*outputs)


def test_box_at_the_border_and_without_area_give_finite_embeddings(encoder):
    boxes = torch.tensor([[[0.0, 0, 64, 64], [64, 64, 64, 64], [5, 5, 5, 9]]])
    [rois] = encoder.assign([boxes])
    [[embedding]] = encoder.eval().embed(
        encoder(torch.randn(1, 3, 64, 64)), [rois]
    )
    assert torch.isfinite(embedding).all()
    encoder.train()


def test_cascade_stages_share_one_trunk():
    encoder = ObjectEncoder(tiny_models.cascade_rcnn())
    state = encoder.state_dict()
    for leaf in ('shared_fcs.0.weight', 'shared_fcs.1.bias'):
        first = state[f'roi_head.bbox_head.0.{leaf}']
        assert state[f'roi_head.bbox_head.2.{leaf}'] is not None
        assert (
            first.data_ptr()
            == state[f'roi_head.bbox_head.2.{leaf}'].data_ptr()
        )
    names = [name for name, _ in encoder.named_parameters()]
    assert not any('bbox_head.1.' in name for name in names)


@pytest.mark.parametrize('name', ['retinanet', 'fcos'])
def test_detector_without_roi_head_uses_all_levels_of_its_neck(name):
    encoder = ObjectEncoder(tiny_models.DETECTORS[name]())
    assert list(encoder.roi_extractor.featmap_strides) == [8, 16, 32, 64, 128]
    exported = [n for n in encoder.state_dict() if not n.startswith('trunk.')]
    assert {part_of(n) for n in exported} == {'backbone', 'neck'}


@pytest.mark.parametrize(
    'clone', [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))]
)
def test_copies_compute_the_same(encoder, clone):
    encoder.eval()
    twin, images = clone(encoder), torch.randn(1, 3, 64, 64)
    [rois] = twin.assign([box(40)])
    [[own]] = twin.embed(twin(images), [rois])
    [[expected]] = encoder.embed(encoder(images), [rois])
    assert torch.equal(own, expected)
    encoder.train()


def _without_neck() -> dict:
    cfg = tiny_models.mask_rcnn_fpn()
    del cfg['neck']
    return cfg


def _with(part: str, **changes) -> dict:
    cfg = tiny_models.mask_rcnn_fpn()
    target = cfg
    for key in part.split('.'):
        target = target[key]
    target.update(changes)
    return cfg


def _bare() -> dict:
    cfg = _without_neck()
    del cfg['roi_head']
    return cfg


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (_without_neck, 'needs a neck such as FPN'),
        (_bare, 'neither roi_head nor neck'),
        (lambda: dict(type='MaskRCNN'), 'has no backbone'),
        (
            lambda: _with('neck', in_channels=[8, 16, 32, 99]),
            'FPN does not fit ResNet',
        ),
        (
            lambda: _with('roi_head.bbox_roi_extractor', out_channels=99),
            'expects feature maps',
        ),
        (
            lambda: _with(
                'roi_head.bbox_roi_extractor', type='GenericRoIExtractor'
            ),
            'use SingleRoIExtractor',
        ),
        (
            lambda: _with('roi_head.bbox_head', type='SABLHead'),
            'box head SABLHead cannot be encoded',
        ),
    ],
)
def test_refuses_what_cannot_be_encoded(make, message):
    with pytest.raises(ValueError, match=message):
        ObjectEncoder(make())


def test_refuses_wrong_types():
    with pytest.raises(TypeError, match='config of an mmdet detector'):
        ObjectEncoder('mask-rcnn.py')
    with pytest.raises(ValueError, match="'all', 'assigned'"):
        ObjectEncoder(tiny_models.mask_rcnn_fpn(), roi_levels='some')
