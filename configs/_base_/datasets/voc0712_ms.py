"""PASCAL VOC 07+12 at short sides of 480 to 800, by iterations.

In COCO's format, which `tools/dataset_converters/voc2coco.py` makes, so that
the evaluation gives AP, AP50 and AP75 as the paper does.
"""

_base_ = 'mmdet::_base_/datasets/coco_detection.py'

data_root = 'data/VOCdevkit/'
train_json = 'annotations/voc0712_trainval.json'
test_json = 'annotations/voc07_test.json'
metainfo = dict(
    classes=(
        'aeroplane', 'bicycle', 'bird', 'boat', 'bottle', 'bus', 'car', 'cat',
        'chair', 'cow', 'diningtable', 'dog', 'horse', 'motorbike', 'person',
        'pottedplant', 'sheep', 'sofa', 'train', 'tvmonitor',
    )
)  # fmt: skip

train_dataloader = dict(
    num_workers=4,
    sampler=dict(_delete_=True, type='InfiniteSampler', shuffle=True),
    dataset=dict(
        data_root=data_root,
        metainfo=metainfo,
        ann_file=train_json,
        data_prefix=dict(img=''),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations', with_bbox=True),
            dict(
                type='RandomChoiceResize',
                scales=[(1333, side) for side in range(480, 801, 32)],
                keep_ratio=True,
            ),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackDetInputs'),
        ],
    ),
)
val_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        metainfo=metainfo,
        ann_file=test_json,
        data_prefix=dict(img=''),
    )
)
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + test_json)
test_evaluator = val_evaluator
