"""Faster R-CNN R50-FPN at COCO's size, for one GPU per cell.

SoCo's own fine-tuning schedule; a plan sets its length.
"""

_base_ = [
    '../../_base_/models/faster-rcnn_r50-fpn.py',
    'mmdet::_base_/datasets/coco_detection.py',
    '../../_base_/schedules/soco-1x.py',
    '../../_base_/finetuning_runtime.py',
]

train_dataloader = dict(
    batch_size=16,
    num_workers=8,
    sampler=dict(_delete_=True, type='InfiniteSampler', shuffle=True),
)
test_dataloader = dict(batch_size=8, num_workers=8)
default_hooks = dict(
    checkpoint=dict(by_epoch=False),
    precise_bn=dict(type='PreciseBNHook', interval=90000, num_iters=200),
)
log_processor = dict(by_epoch=False)
