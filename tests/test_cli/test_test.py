"""From pretrained weights to COCO metrics, by `mmsoco train` and `test`."""

import json
import re
import time

import coco_documents
import cv2
import numpy as np
import pytest
import torch
from command import Outcome, assert_refused, call
from mmengine.config import Config
from mmengine.registry import DefaultScope
from small_runs import log_of

from mmsoco.checkpoints.io import load_run
from mmsoco.models import ObjectEncoder

CONFIG = """
_base_ = '{repo}/configs/finetune/{base}'

channels = 16
model = dict(
    backbone=dict(depth=18, base_channels=16),
    neck=dict(in_channels=[16, 32, 64, 128], out_channels=channels),
    rpn_head=dict(in_channels=channels, feat_channels=channels),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=channels),
        bbox_head=dict(
            in_channels=channels,
            conv_out_channels=channels,
            fc_out_channels=32,
        ),
    ),
    train_cfg=dict(rpn_proposal=dict(nms_pre=50, max_per_img=20)),
    test_cfg=dict(rpn=dict(nms_pre=50, max_per_img=20)),
)
data = dict(
    data_root='{data}/', ann_file='data.json', data_prefix=dict(img='')
)
loader = dict(num_workers=0, persistent_workers=False)
train_dataloader = dict(**loader, dataset=dict(**data, filter_cfg=None))
val_dataloader = dict(**loader, dataset=data)
test_dataloader = val_dataloader
val_evaluator = dict(ann_file='{data}/data.json')
test_evaluator = val_evaluator
train_cfg = dict(max_epochs=1)
default_hooks = dict(
    logger=dict(interval=1),
    precise_bn=dict(type='PreciseBNHook', interval=1, num_iters=1),
)
"""
BASE = 'faster-rcnn_r50-fpn_scratch_8xb2-1x_custom.py'


@pytest.fixture(scope='module')
def config(tmp_path_factory, repo_dir):
    """A config next to four images with a box each."""
    data = tmp_path_factory.mktemp('coco')
    pictures = {}
    for i in range(4):
        image = np.full((64, 64, 3), 60, np.uint8)
        x, y = 4 + 5 * i, 20 - 3 * i
        image[y : y + 30, x : x + 24] = (40 * i, 200, 90)
        cv2.imwrite(str(data / f'{i}.png'), image)
        pictures[f'{i}.png'] = [(1 + i % 2, (x, y, 24, 30))]
    content = coco_documents.document(
        pictures, (64, 64), ['first class', 'second class']
    )
    (data / 'data.json').write_text(json.dumps(content))
    path = data / 'tiny_detector.py'
    path.write_text(CONFIG.format(repo=repo_dir, data=data, base=BASE))
    return path


@pytest.fixture(scope='module')
def pretrained(config):
    """Weights of the detector's pretrained parts, in the detector's names."""
    DefaultScope.get_instance('finetuning-weights', scope_name='mmsoco')
    encoder = ObjectEncoder(Config.fromfile(config).model, 'assigned', 24)
    path = config.parent / 'pretrained.pth'
    torch.save(dict(state_dict=encoder.state_dict(), meta={}), path)
    return path


def run(verb, work_dir, *arguments, options=()) -> Outcome:
    """Calls a verb in this process, under its own name."""
    return call(
        verb,
        *arguments,
        f'--work-dir={work_dir}',
        '--cfg-options',
        f'experiment_name=detector-{time.monotonic_ns()}',
        *options,
    )


@pytest.fixture(scope='module')
def finetuned(config, pretrained, tmp_path_factory):
    """The work dir of one epoch from pretrained weights."""
    work_dir = tmp_path_factory.mktemp('finetuned')
    outcome = run(
        'train', work_dir, config, options=[f'load_from={pretrained}']
    )
    assert outcome.status == 0, outcome.err
    return work_dir


def test_reports_parts_gauges_and_metrics(finetuned):
    log = log_of(finetuned)
    rows = {
        line.split()[0]: line.split()[1:]
        for line in log.splitlines()
        if len(line.split()) == 5
    }
    for part in ('backbone', 'neck'):
        assert int(rows[part][0]) > 0
        assert rows[part][1:] == ['0', '0', '0']
    assert rows['rpn_head'][0] == '0'
    assert 'images_per_s: ' in log
    assert 'coco/bbox_mAP: ' in log
    assert 'Recomputing batch norm statistics' in log


def test_evaluates_the_checkpoint(config, finetuned, tmp_path):
    """Named itself, or by the work dir of its training."""
    outcome = run('test', tmp_path, config, finetuned)
    assert outcome.status == 0, outcome.err
    (saved,) = tmp_path.glob('*/2*.json')  # named by its time
    assert 0 <= json.loads(saved.read_text())['coco/bbox_mAP'] <= 1


def test_evaluates_weights_with_their_statistics(config, finetuned):
    state = load_run(finetuned / 'epoch_1.pth')['state_dict']
    key = 'backbone.bn1.running_mean'
    assert state[key].abs().max() > 0


def test_pretrained_weights_alone_are_not_evaluated(
    config, pretrained, tmp_path
):
    outcome = run('test', tmp_path, config, pretrained)
    assert_refused(outcome, 'lacks weights of .*rpn_head')


def test_a_part_that_got_lost_stops_the_run(config, pretrained, tmp_path):
    options = [
        f'load_from={pretrained}',
        'model.roi_head.bbox_head.type=Shared2FCBBoxHead',
    ]
    outcome = run('train', tmp_path, config, options=options)
    assert_refused(outcome, 'bbox_head')


@pytest.mark.parametrize(
    'verb, option, message',
    [
        (
            'train',
            'model.roi_head.bbox_head.num_classes=5',
            'num_classes is 5, but there are 2 classes: set it to 2',
        ),
        (
            'test',
            "test_dataloader.dataset.metainfo.classes=('First class','b')",
            "'Firstclass' of test_dataloader.* did you mean first class",
        ),
    ],
)
def test_labels_that_do_not_fit_are_refused_before_all_else(
    config, pretrained, tmp_path, verb, option, message
):
    weights = [pretrained] if verb == 'test' else []
    outcome = run(verb, tmp_path, config, *weights, options=[option])
    assert outcome.status == 1 and re.search(message, outcome.err)
    assert not list(tmp_path.glob('*/*.log'))


def test_missing_annotations_are_named(config, tmp_path):
    options = ['train_dataloader.dataset.ann_file=lost.json']
    outcome = run('train', tmp_path, config, options=options)
    assert_refused(outcome, 'lost.json')
