import copy
import json

import numpy as np
import pytest
import torch
from mmdet.registry import METRICS
from mmengine.config import Config, ConfigDict
from pycocotools import mask as coco_masks

from mmsoco.workflow import finetune_config as configs
from mmsoco.workflow.pretrain_config import load_detector


def data(tmp_path, has_masks=False, scale=(400, 267)):
    return configs.DetectionData(
        classes=('cat', 'dog', 'cow'),
        has_masks=has_masks,
        train=tmp_path / 'train.json',
        train_images=tmp_path / 'my pictures',
        val=tmp_path / 'val.json',
        val_images=tmp_path / 'val',
        scale=scale,
    )


@pytest.fixture(scope='module')
def detector():
    return load_detector(None, is_large=False)


@pytest.fixture(scope='module')
def pretraining(detector):
    return Config(dict(model=dict(detector=detector)))


@pytest.mark.parametrize(
    ('sizes', 'is_large', 'scale'),
    [
        ([(267, 400), (400, 267), (100, 100)], False, (400, 267)),
        ([(1000, 2000)], False, (512, 256)),
        ([(1000, 2000)], True, (1333, 666)),
        ([(1000, 1000)], True, (800, 800)),
    ],
)
def test_the_scale_follows_the_pictures(sizes, is_large, scale):
    assert configs.fitting_scale(sizes, is_large) == scale


def numbers_of_classes(cfg):
    if isinstance(cfg, dict):
        found = [cfg['num_classes']] if 'num_classes' in cfg else []
        return found + [n for v in cfg.values() for n in numbers_of_classes(v)]
    if isinstance(cfg, (list, tuple)):
        return [n for v in cfg for n in numbers_of_classes(v)]
    return []


def test_boxes_alone_take_the_mask_head_away(detector, tmp_path):
    before = copy.deepcopy(detector)
    model = configs.fit_detector(detector, data(tmp_path))
    assert model.type == 'FasterRCNN'
    assert model.roi_head.mask_head is None
    assert model.roi_head.bbox_head.num_classes == 3
    assert model.data_preprocessor.pad_mask is False
    assert detector == before
    with_masks = configs.fit_detector(detector, data(tmp_path, True))
    assert with_masks.type == 'MaskRCNN'
    assert numbers_of_classes(with_masks) == [3, 3]


@pytest.mark.parametrize(
    ('name', 'heads'),
    [
        ('mmdet::cascade_rcnn/cascade-mask-rcnn_r50_fpn_1x_coco.py', 3),
        ('mmdet::retinanet/retinanet_r50_fpn_1x_coco.py', 1),
    ],
)
def test_other_detectors_get_the_classes_too(name, heads, tmp_path):
    model = configs.fit_detector(load_detector(name, False), data(tmp_path))
    assert numbers_of_classes(model) == [3] * heads


@pytest.mark.parametrize('is_large', [False, True])
def test_the_whole_config(pretraining, tmp_path, is_large):
    recipe = configs.load_recipe(is_large)
    found = data(tmp_path)
    cfg = configs.build_config(
        recipe,
        pretraining,
        found,
        tmp_path / 'checkpoints',
        tmp_path / 'w.pth',
    )
    epochs, steps = configs.set_size(cfg, 60, 4, 20, is_large)
    assert (epochs, steps) == (20, 300)
    assert cfg.train_cfg == dict(type='EpochBasedTrainLoop', max_epochs=20)
    for scheduler in cfg.param_scheduler:
        assert scheduler.end == 20 or scheduler.end <= steps // 5
        assert all(m < 20 for m in scheduler.get('milestones', ()))
    assert cfg.test_evaluator.metric == ['bbox']
    assert cfg.load_from == str(tmp_path / 'w.pth')
    assert 'val_dataloader' not in cfg and 'classes' not in cfg
    path = tmp_path / 'finetune.py'
    path.write_text(cfg.pretty_text)
    assert Config.fromfile(path).to_dict() == cfg.to_dict()
    scratch = configs.build_config(
        recipe, pretraining, found, tmp_path / 'checkpoints', None
    )
    assert scratch.load_from is None


def test_the_ap_of_a_class_is_that_of_its_boxes(pretraining, tmp_path):
    """With masks, mmdet gives the AP of boxes and of masks one name."""
    found = data(tmp_path, has_masks=True)
    cat = dict(id=1, image_id=1, category_id=1, iscrowd=0, area=1600)
    cat |= dict(
        bbox=[4, 4, 40, 40], segmentation=[[4, 4, 44, 4, 44, 44, 4, 44]]
    )
    document = dict(
        images=[dict(id=1, file_name='a.jpg', height=64, width=64)],
        annotations=[cat],
        categories=[
            dict(id=i, name=n) for i, n in enumerate(found.classes, 1)
        ],
    )
    found.val.write_text(json.dumps(document))
    cfg = configs.build_config(
        configs.load_recipe(False), pretraining, found, tmp_path / 'c', None
    )
    metric = METRICS.build(cfg.test_evaluator)
    metric.dataset_meta = dict(classes=found.classes)
    pixel = np.zeros((64, 64), np.uint8, order='F')
    pixel[4, 4] = 1
    instances = dict(
        bboxes=torch.tensor([[4.0, 4.0, 44.0, 44.0]]),
        scores=torch.tensor([0.9]),
        labels=torch.tensor([0]),
        masks=[coco_masks.encode(pixel)],
    )
    sample = dict(img_id=1, ori_shape=(64, 64), pred_instances=instances)
    metric.process({}, [sample])
    scores = metric.evaluate(size=1)
    assert scores['coco/bbox_mAP'] == 1 and scores['coco/segm_mAP'] == 0
    assert scores['coco/cat_precision'] == 1


def test_a_length_that_nobody_set_is_in_steps():
    # 1500 steps of 15 a pass; but not fewer than 12 passes
    assert configs.default_epochs(15, is_large=False) == 100
    assert configs.default_epochs(100000, is_large=False) == 12


def test_few_pictures_make_a_smaller_batch(pretraining, tmp_path):
    cfg = configs.build_config(
        configs.load_recipe(False), pretraining, data(tmp_path), tmp_path, None
    )
    epochs, steps = configs.set_size(cfg, 3, None, 5, False)
    assert cfg.train_dataloader.batch_size == 3
    assert (epochs, steps) == (5, 5)


def test_a_decay_keeps_its_place_in_the_schedule():
    cfg = Config(
        dict(
            train_cfg=dict(max_epochs=12),
            param_scheduler=[
                dict(type='LinearLR', by_epoch=False, end=500),
                dict(type='MultiStepLR', end=12, milestones=[8, 11]),
            ],
            default_hooks=dict(logger=dict()),
            log_processor=dict(),
        )
    )
    configs.set_length(cfg, 24, 10)
    warmup, decay = cfg.param_scheduler
    assert warmup.end == 48
    assert (decay.end, decay.milestones) == (24, [16, 22])
    assert isinstance(cfg.train_cfg, ConfigDict)


def test_parts_go_to_the_hook_that_loads_them(pretraining, tmp_path):
    recipe = configs.load_recipe(is_large=False)
    for weights, parts, expected in (
        (tmp_path / 'a.pth', ['backbone'], ['backbone']),
        (tmp_path / 'a.pth', None, None),
        (None, ['backbone'], None),
    ):
        cfg = configs.build_config(
            recipe, pretraining, data(tmp_path), tmp_path, weights, parts
        )
        assert cfg.default_hooks.load_report.get('parts') == expected


def test_modules_of_the_detector_are_imported_here_too(detector, tmp_path):
    imports = dict(imports=['my_backbone'])
    pretraining = Config(
        dict(model=dict(detector=detector), custom_imports=imports)
    )
    cfg = configs.build_config(
        configs.load_recipe(False), pretraining, data(tmp_path), tmp_path, None
    )
    assert cfg.custom_imports == imports
