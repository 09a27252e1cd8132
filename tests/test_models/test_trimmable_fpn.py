"""The pyramid without its finest maps against mmdet's whole pyramid."""

import pytest
import tiny_models
import torch
from mmdet.models.necks import FPN, PAFPN

from mmsoco.models import ObjectEncoder
from mmsoco.models.trimmable_fpn import TrimmableFPN

NORM = dict(type='BN')
KINDS = dict(
    max_pool=dict(num_outs=5),
    on_input=dict(num_outs=6, add_extra_convs='on_input'),
    on_lateral=dict(num_outs=5, add_extra_convs='on_lateral'),
    on_output=dict(
        num_outs=6, add_extra_convs='on_output', relu_before_extra_convs=True
    ),
    start_at_one=dict(num_outs=5, start_level=1, add_extra_convs='on_output'),
    end_early=dict(num_outs=3, end_level=2),
    by_factor=dict(num_outs=4, upsample_cfg=dict(scale_factor=2)),
)


def pyramids(kind: str) -> tuple[TrimmableFPN, FPN]:
    """Ours and mmdet's, with the same weights."""
    kwargs = dict(
        in_channels=[4, 8, 8, 8], out_channels=8, norm_cfg=NORM, **KINDS[kind]
    )
    torch.manual_seed(0)
    own, whole = TrimmableFPN(**kwargs), FPN(**kwargs)
    whole.load_state_dict(own.state_dict())
    return own.train(), whole.train()


def backbone_maps() -> list[torch.Tensor]:
    torch.manual_seed(1)
    return [
        torch.randn(2, channels, 32 >> level, 32 >> level, requires_grad=True)
        for level, channels in enumerate([4, 8, 8, 8])
    ]


@pytest.mark.parametrize('finest', range(5))
@pytest.mark.parametrize('kind', KINDS)
def test_other_maps_do_not_miss_the_finest(kind, finest):
    """Maps, gradients of inputs and layers, running statistics."""
    own, whole = pyramids(kind)
    left_out = min(finest, len(whole.lateral_convs) - 1)
    inputs, twins = backbone_maps(), backbone_maps()
    maps, expected = own(inputs, finest), whole(twins)[left_out:]
    assert maps[:left_out] == (None,) * left_out
    for found, wanted in zip(maps[left_out:], expected, strict=True):
        torch.testing.assert_close(found, wanted)
    sum(m.square().sum() for m in maps[left_out:]).backward()
    sum(m.square().sum() for m in expected).backward()
    of_layers = zip(own.parameters(), whole.parameters(), strict=True)
    for found, wanted in [*zip(inputs, twins, strict=True), *of_layers]:
        torch.testing.assert_close(found.grad, wanted.grad)
    for convs, others in (
        (own.lateral_convs, whole.lateral_convs),
        (own.fpn_convs, whole.fpn_convs),
    ):
        for level, (conv, other) in enumerate(zip(convs, others, strict=True)):
            ran = level >= left_out
            assert conv.bn.num_batches_tracked == ran
            if ran:
                torch.testing.assert_close(
                    conv.bn.running_var, other.bn.running_var
                )


def test_compiler_sees_through_it():
    torch.compiler.reset()
    own, whole = pyramids('max_pool')
    compiled = torch.compile(own, backend='aot_eager', fullgraph=True)
    inputs = backbone_maps()
    expected = whole(inputs)
    for finest in (1, 0, 2):
        maps = compiled(inputs, finest)
        for found, wanted in zip(
            maps[finest:], expected[finest:], strict=True
        ):
            torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize(
    ('name', 'kind'),
    [
        ('mask_rcnn_fpn', TrimmableFPN),
        ('retinanet', TrimmableFPN),
        ('faster_rcnn_pafpn', PAFPN),
    ],
)
def test_only_an_fpn_is_replaced(name, kind):
    encoder = ObjectEncoder(tiny_models.DETECTORS[name](), 'assigned')
    assert type(encoder.neck) is kind
    [rois] = encoder.assign([torch.tensor([[[9.0, 9, 209, 209]]])])
    rois = rois._replace(tied=())
    assert rois.used[0] > 0
    trimmed = kind is TrimmableFPN
    assert encoder.finest_level([rois]) == (rois.used[0] if trimmed else 0)
    images = torch.randn(1, 3, 224, 224)
    maps, [[embedding]] = encoder.eval().encode(images, [rois])
    assert (maps[0] is None) == trimmed
    every, [[same]] = encoder.encode(images, [rois], whole=True)
    assert every[0] is not None
    torch.testing.assert_close(embedding, same)


def test_a_view_goes_from_the_finest_level_of_its_sets_and_ties():
    encoder = ObjectEncoder(tiny_models.mask_rcnn_fpn(), 'assigned')
    boxes = [torch.tensor([[[9.0, 9, 9 + s, 9 + s]]]) for s in (200, 60, 100)]
    first, second, third = encoder.assign(boxes)
    assert encoder.finest_level([first]) == 3
    assert encoder.finest_level([first, second]) == 1
    assert encoder.finest_level([third]) == 0  # no box is on P2: tied here
    encoder.roi_levels = 'all'
    assert encoder.finest_level([first]) == 0


def losses_and_gradients(model, batch):
    losses = model(**batch, mode='loss')
    total = tiny_models.total(losses)
    return [total, *torch.autograd.grad(total, model.encoder.parameters())]


@pytest.fixture(scope='module')
def batch() -> dict:
    """Views 1 and 2 have boxes of 60 to 190 pixels, view 3 below 48."""
    batch = tiny_models.batch(sizes=(224, 224, 112))
    first, second, third, last = batch['data_samples']['bboxes']
    for boxes in (first, second, third):
        boxes[:] = 10 + torch.tensor([0, 0, 100, 100])
        boxes[:, 0, 2:] = 10 + 60
        boxes[:, 1, 2:] = 10 + 190
    last[:] = 10 + torch.tensor([0, 0, 40, 40])
    return batch


@pytest.mark.parametrize(
    'option',
    ['plain', 'recompute', pytest.param('compile', marks=pytest.mark.slow)],
)
def test_step_without_the_finest_map_equals_the_whole(
    batch, option, monkeypatch
):
    """Batch norm in training; the finest map serves view 3 alone."""
    model = tiny_models.soco(
        tiny_models.mask_rcnn_fpn(),
        roi_levels='assigned',
        recompute=['neck'] * (option == 'recompute'),
    )
    if option == 'compile':
        model.compile_parts(backend='aot_eager')
    found = losses_and_gradients(model, batch)
    whole = tiny_models.soco(
        tiny_models.mask_rcnn_fpn(), roi_levels='assigned'
    )
    monkeypatch.setattr(ObjectEncoder, 'finest_level', lambda *_: 0)
    expected = losses_and_gradients(whole, batch)
    for own, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(own, wanted, rtol=1e-4, atol=1e-4)
    runs = 2 if option == 'recompute' else 1
    for encoder, times in ((model.encoder, runs), (model.target.encoder, 1)):
        for conv in (encoder.neck.lateral_convs[0], encoder.neck.fpn_convs[0]):
            assert conv.bn.num_batches_tracked == times
    assert whole.encoder.neck.fpn_convs[0].bn.num_batches_tracked == 3


def test_compiler_takes_every_case_of_two_networks():
    """Sizes of SoCo*'s views, any finest map, with and without gradient."""
    torch.compiler.reset()
    model = tiny_models.soco(
        tiny_models.mask_rcnn_fpn(), roi_levels='assigned'
    )
    model.compile_parts(backend='eager', dynamic=False)
    limit = torch._dynamo.config.patch(fail_on_recompile_limit_hit=True)
    with limit, torch.no_grad():
        for encoder in (model.encoder, model.target.encoder):
            for size in (56, 48, 28):
                maps = [
                    torch.randn(1, channels, size >> level, size >> level)
                    for level, channels in enumerate([8, 16, 32, 64])
                ]
                for finest in range(3):
                    pyramid = encoder.neck(maps, finest)
                    assert pyramid[finest].shape[-1] == size >> finest
