"""What arrived, by part, and what stops a run."""

import pytest
import tiny_models
import torch

from mmsoco.checkpoints.load_report import compare, part_of, preview

HEAD = 'roi_head.bbox_head'


CHECKPOINT = {
    'backbone.conv1.weight': torch.zeros(8, 3, 7, 7),
    'backbone.bn1.running_mean': torch.zeros(8),
    'neck.lateral_convs.0.conv.weight': torch.zeros(4, 8, 1, 1),
    f'{HEAD}.shared_convs.0.conv.weight': torch.zeros(4, 4, 3, 3),
    f'{HEAD}.shared_fcs.0.weight': torch.zeros(16, 196),
}
NEW = {
    f'{HEAD}.fc_cls.weight': torch.zeros(5, 16),
    'rpn_head.rpn_conv.weight': torch.zeros(4, 4, 3, 3),
    'roi_head.mask_head.convs.0.conv.weight': torch.zeros(4, 4, 3, 3),
}


def test_everything_arrives_and_the_rest_is_new():
    report = compare(CHECKPOINT, {**CHECKPOINT, **NEW})
    report.check()
    counts = {n: (len(p.loaded), len(p.new)) for n, p in report.parts.items()}
    assert counts == dict(
        backbone=(2, 0),
        bbox_head=(2, 1),
        mask_head=(0, 1),
        neck=(1, 0),
        rpn_head=(0, 1),
    )


def test_table_has_a_row_per_part():
    lines = compare(CHECKPOINT, {**CHECKPOINT, **NEW}).table().splitlines()
    assert lines[0].split()[:2] == ['part', 'loaded']
    assert lines[2].split() == ['bbox_head', '2', '1', '0', '0']
    assert len(lines) == 6


def test_two_fc_head_that_takes_one_tensor_by_accident_stops():
    model = {
        **CHECKPOINT,
        **NEW,
        f'{HEAD}.shared_fcs.1.weight': torch.zeros(16, 16),
    }
    del model[f'{HEAD}.shared_convs.0.conv.weight']
    with pytest.raises(ValueError, match='Shared4Conv1FCBBoxHead') as error:
        compare(CHECKPOINT, model).check()
    assert 'bbox_head: 1 tensors arrived, 1 did not' in str(error.value)
    assert 'shared_convs.0.conv.weight' in str(error.value)


def test_missing_and_reshaped_parts_stop():
    without_neck = {k: v for k, v in CHECKPOINT.items() if 'neck' not in k}
    with pytest.raises(ValueError, match='neck: 0 tensors arrived, 1 did not'):
        compare(CHECKPOINT, without_neck).check()
    wide = {**CHECKPOINT, 'backbone.conv1.weight': torch.zeros(64, 3, 7, 7)}
    report = compare(CHECKPOINT, wide)
    assert report.parts['backbone'].mismatched == ['backbone.conv1.weight']
    with pytest.raises(ValueError, match=r'backbone: 1 .* 1 did not'):
        report.check()


@pytest.mark.parametrize(
    ('dtype', 'arrives'),
    [(torch.float64, True), (torch.float16, True), (torch.int8, False)],
)
def test_whole_numbers_are_no_weights(dtype, arrives):
    name = 'backbone.conv1.weight'
    other = {**CHECKPOINT, name: CHECKPOINT[name].to(dtype)}
    part = compare(other, CHECKPOINT).parts['backbone']
    assert (name in part.loaded, name in part.mismatched) == (
        arrives, not arrives,
    )  # fmt: skip


def test_counters_do_not_count():
    counter = {'backbone.bn1.num_batches_tracked': torch.zeros(())}
    compare({**CHECKPOINT, **counter}, CHECKPOINT).check()
    report = compare(CHECKPOINT, {**CHECKPOINT, **counter})
    assert report.parts['backbone'].new == []


def test_other_classes_are_no_loss_but_a_missing_layer_is():
    name = f'{HEAD}.fc_cls.weight'
    report = compare(
        {**CHECKPOINT, name: torch.zeros(81, 16)}, {**CHECKPOINT, **NEW}
    )
    assert report.parts['bbox_head'].mismatched == [name]
    report.check()


def test_a_detector_of_another_width_is_called_so():
    """Not weights of a pretraining run: the names are the detector's."""
    narrow = {n: t.new_zeros(1) for n, t in CHECKPOINT.items()}
    with pytest.raises(ValueError, match='another width.*Ask me') as error:
        compare(narrow, CHECKPOINT).check(remedy='Ask me.')
    assert f'has {len(CHECKPOINT)} of the names' in str(error.value)
    assert 'mmsoco export' not in str(error.value)


def test_pretraining_weights_point_to_the_export():
    run = {f'encoder.{name}': value for name, value in CHECKPOINT.items()}
    with pytest.raises(ValueError, match=r'parts encoder.*mmsoco export'):
        compare(run, CHECKPOINT).check()
    with pytest.raises(ValueError, match='has no tensors'):
        compare({}, CHECKPOINT).check()


@pytest.mark.parametrize(
    ('name', 'part'),
    [
        ('backbone.layer1.0.conv1.weight', 'backbone'),
        ('backbone_k.conv1.weight', 'backbone_k'),
        ('roi_head.shared_head.layer4.0.conv1.weight', 'shared_head'),
        ('roi_head.bbox_head.0.shared_fcs.0.bias', 'bbox_head'),
        ('bbox_head.retina_cls.weight', 'bbox_head'),
        ('roi_head.other.weight', 'roi_head'),
    ],
)
def test_part_of(name, part):
    assert part_of(name) == part


def test_preview_is_short():
    assert preview(['a', 'b']) == 'a, b'
    assert preview('abcdef', most=2) == 'a, b, and 4 more'


def test_real_detectors_with_4conv1fc_and_2fc_heads():
    exported = {
        name.removeprefix('encoder.'): value
        for name, value in tiny_models.soco(tiny_models.mask_rcnn_fpn())
        .state_dict()
        .items()
        if name.startswith('encoder.')
    }
    own = tiny_models.build_detector(tiny_models.mask_rcnn_fpn())
    report = compare(exported, own.state_dict())
    report.check()
    assert report.parts['bbox_head'].new == [
        f'{HEAD}.{layer}.{leaf}'
        for layer in ('fc_cls', 'fc_reg')
        for leaf in ('bias', 'weight')
    ]
    other = tiny_models.build_detector(tiny_models.faster_rcnn())
    with pytest.raises(ValueError, match='bbox_head: 2 tensors arrived'):
        compare(exported, other.state_dict()).check()
