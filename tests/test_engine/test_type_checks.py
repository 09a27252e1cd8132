"""Types and keys of a config are checked before anything is built."""

import config_files
import pytest
import tiny_models
from mmdet.models import Shared2FCBBoxHead
from mmengine.config import Config, ConfigDict
from mmengine.hub import get_config

from mmsoco.engine.type_checks import check_types
from mmsoco.registry import MODELS


def refusal(**cfg):
    """The message about a config's types and keys, if there is one."""
    try:
        check_types(Config(cfg))
    except ValueError as error:
        return str(error)
    return None


def test_misspelt_argument_beside_the_right_one():
    head = dict(type='mmdet.RPNHead', in_channels=8, in_chanels=9)
    detector = dict(type='mmdet.FasterRCNN', rpn_head=head)
    message = refusal(model=dict(type='SoCo', detector=detector))
    assert 'detector.rpn_head.in_chanels; did you mean in_ch' in message


def test_old_names_of_arguments_are_no_typos():
    """mmcv still takes ``deformable_groups`` for ``deform_groups``."""
    dcn = dict(type='DCNv2', deformable_groups=1)
    backbone = dict(type='mmdet.ResNet', depth=18, dcn=dcn)
    assert refusal(model=dict(backbone=backbone)) is None


def test_hooks_of_every_run_need_no_type():
    """As the advice of a load report is typed, in a config of mmdet."""
    hooks = dict(load_report=dict(may_be_new=['neck']), finite=None)
    assert refusal(default_scope='mmdet', default_hooks=hooks) is None
    hooks['load_report'] = dict(may_be_now=['neck'])
    message = refusal(default_hooks=hooks)
    assert 'report.may_be_now; did you mean' in message


def test_types_of_another_package_are_left_to_it():
    """The baselines are mmselfsup's models, which mmsoco does not know."""
    model = dict(_scope_='mmselfsup', type='SimSiam', backbone=dict(type='R'))
    assert refusal(default_scope='mmsoco', model=model) is None


def small_detector():
    """A Mask R-CNN's config with two blocks of settings."""
    detector = tiny_models.mask_rcnn_fpn()
    return ConfigDict(detector)


@pytest.mark.parametrize('pretrain', [False, True])
@pytest.mark.parametrize(
    ('key', 'meant'),
    [
        ('train_cfg.rpn.asigner.type', 'did you mean assigner?'),
        ('train_cfg.rcn.x', 'did you mean rcnn?'),
        ('train_cfg.rcnn.mask_sise', 'did you mean mask_size?'),
        ('train_cfg.rpn_proposal.nms_per', 'did you mean nms_pre?'),
        ('train_cfg.max_per_img', 'rpn_proposal'),
        ('test_cfg.rcnn.scor_thr', 'did you mean score_thr?'),
        ('test_cfg.rcnn.yy', 'max_per_img'),
        ('rpn_head.feat_chanels', 'did you mean feat_channels?'),
        ('rpn_head.anchor_generator.yy', 'scales'),
        ('rpn_head.anchor_generator.scals', 'did you mean scales?'),
        ('rpn_head.bbox_coder.target_mean', 'mean target_means?'),
        ('roi_head.mask_head.num_conv', 'did you mean num_convs?'),
    ],
)
def test_typos_in_what_pretraining_does_not_build(key, meant, pretrain):
    cfg = Config(dict(model=small_detector()))
    if pretrain:
        cfg = Config(dict(model=dict(type='SoCo', detector=cfg.model)))
    place = 'model.detector' if pretrain else 'model'
    assert refusal(**cfg) is None
    cfg.merge_from_dict({f'{place}.{key}': 1})
    wrong = key.removesuffix('.type').removesuffix('.x')
    text = refusal(**cfg)
    assert text.startswith(f'unknown key {place}.{wrong}') and meant in text


def test_keys_that_a_user_s_own_head_may_read():
    """Only what looks misspelled is refused: other code reads differently."""
    cfg = Config(dict(model=small_detector()))
    cfg.model.roi_head.bbox_head.type = 'OwnBBoxHead'
    place = 'model.test_cfg.rcnn'
    cfg.merge_from_dict({f'{place}.temperature': 2})
    assert refusal(**cfg) is None
    cfg.merge_from_dict({f'{place}.scor_thr': 2})
    assert 'did you mean score_thr' in refusal(**cfg)


@MODELS.register_module()
class OwnBBoxHead(Shared2FCBBoxHead):
    """A head of a user's."""


@pytest.mark.parametrize(
    ('hook', 'message'),
    [
        (dict(type='IterTimerHook', yy=1), 'IterTimerHook takes no argum'),
        (dict(type='CheckpointHook', intervl=1), 'did you mean interval'),
        (dict(type='CheckpointHook', xx=1), 'takes interval, interim_min'),
        (dict(type='CheckpointHook', out_dri='a'), 'did you mean out_dir'),
        (dict(type='mmengine.CheckpointHook', xx=1), 'takes interval'),
        (dict(type='CollapseHook', yy=1), 'CollapseHook takes threshold'),
        (dict(yy=1), 'default_hooks.x has no type'),
    ],
)
def test_keys_of_hooks(hook, message):
    text = refusal(default_hooks=dict(x=hook, y=None))
    assert message in text and 'default_hooks.x' in text


def test_filters_of_a_dataset():
    dataset = dict(type='CocoDataset', filter_cfg=dict(filter_emty_gt=True))
    wrapped = dict(type='RepeatDataset', times=2, dataset=dataset)
    message = refusal(train_dataloader=dict(dataset=wrapped))
    assert 'did you mean filter_empty_gt' in message


def test_a_dataset_that_a_function_makes_may_have_any_filter():
    dataset = dict(type=lambda filter_cfg: [], filter_cfg=dict(own=True))
    assert refusal(train_dataloader=dict(dataset=dataset)) is None


@pytest.mark.parametrize('file', config_files.LEAVES, ids=config_files.short)
def test_no_config_of_ours_is_refused(file):
    assert refusal(**config_files.read(file)) is None


@pytest.mark.parametrize(
    'name',
    [
        'faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py',
        'cascade_rcnn/cascade-mask-rcnn_r50_fpn_1x_coco.py',
        'retinanet/retinanet_r50_fpn_1x_coco.py',
        'detr/detr_r50_8xb2-150e_coco.py',  # its head reads loss_cls
        'vfnet/vfnet_r50_fpn_1x_coco.py',  # a head of two bases
        'pisa/faster-rcnn_r50_fpn_pisa_1x_coco.py',  # blocks of arguments
        'dsdl/voc0712.py',  # a filter that nothing reads
        'mask2former/mask2former_r50_8xb2-lsj-50e_coco.py',
        'rtmdet/rtmdet_s_8xb32-300e_coco.py',
    ],
)
def test_no_config_of_mmdet_s_is_refused(name):
    cfg = get_config(f'mmdet::{name}')
    assert refusal(**cfg) is None
    assert refusal(model=dict(type='SoCo', detector=cfg.model)) is None
