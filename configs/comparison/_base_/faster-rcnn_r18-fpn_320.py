"""The demo's detector as Faster R-CNN on pictures of 320 pixels.

Trained by iterations from random weights. A plan fills in labels, pictures,
classes, weights and length.
"""

_base_ = '../../demo/faster-rcnn_r18-fpn_scratch_1xb4-6e_bccd.py'

scale = (320, 320)
max_iters = 600
batch_size = 4

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='Resize', scale=scale, keep_ratio=True),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
]
test_pipeline = _base_.test_pipeline
test_pipeline[1].scale = scale
train_dataloader = dict(
    batch_size=batch_size,
    sampler=dict(_delete_=True, type='InfiniteSampler', shuffle=True),
    dataset=dict(pipeline=train_pipeline),
)
test_dataloader = dict(
    batch_size=8,
    dataset=dict(pipeline=test_pipeline),
)
train_cfg = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=max_iters)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, end=50),
    dict(
        type='CosineAnnealingLR',
        eta_min=1e-5,
        by_epoch=False,
        begin=0,
        end=max_iters,
    ),
]
default_hooks = dict(
    checkpoint=dict(by_epoch=False),
    logger=dict(interval=50),
)
log_processor = dict(by_epoch=False)
