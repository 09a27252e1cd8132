"""Faster R-CNN R50-FPN from scratch on your own COCO-format boxes.

Name your data in `mask-rcnn_r50-fpn_scratch_8xb2-1x_custom.py`.

paper:     not in the paper
hardware:  any: the learning rate follows the batch
duration:  12 epochs
reported:  none
command:   python tools/train.py
               configs/finetune/faster-rcnn_r50-fpn_scratch_8xb2-1x_custom.py
"""

_base_ = 'mask-rcnn_r50-fpn_scratch_8xb2-1x_custom.py'

# Without masks, Mask R-CNN is Faster R-CNN.
model = dict(
    type='FasterRCNN',
    data_preprocessor=dict(pad_mask=False),
    roi_head=dict(mask_roi_extractor=None, mask_head=None),
)
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations', with_bbox=True),
            dict(type='Resize', scale=(1333, 800), keep_ratio=True),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackDetInputs'),
        ]
    )
)
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(1333, 800), keep_ratio=True),
    dict(
        type='PackDetInputs',
        meta_keys=(
            'img_id',
            'img_path',
            'ori_shape',
            'img_shape',
            'scale_factor',
        ),
    ),
]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(metric='bbox')
test_evaluator = val_evaluator
