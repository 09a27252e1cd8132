"""Mask R-CNN R50-FPN from scratch on your own COCO-format data with masks.

Change the upper part of this file; the other custom configs inherit it.

paper:     not in the paper
hardware:  any: the learning rate follows the batch
duration:  12 epochs
reported:  none
command:   python tools/train.py
               configs/finetune/mask-rcnn_r50-fpn_scratch_8xb2-1x_custom.py
"""

_base_ = 'mask-rcnn_r50-fpn_scratch_8xb2-1x_coco.py'

data_root = 'data/custom/'
train_images, train_json = 'train/', 'annotations/train.json'
val_images, val_json = 'val/', 'annotations/val.json'
classes = ('first class', 'second class')

num_classes = len(classes)
model = dict(
    roi_head=dict(
        bbox_head=dict(num_classes=num_classes),
        mask_head=dict(num_classes=num_classes),
    )
)
train_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        metainfo=dict(classes=classes),
        ann_file=train_json,
        data_prefix=dict(img=train_images),
    )
)
val_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        metainfo=dict(classes=classes),
        ann_file=val_json,
        data_prefix=dict(img=val_images),
    )
)
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + val_json)
test_evaluator = val_evaluator
