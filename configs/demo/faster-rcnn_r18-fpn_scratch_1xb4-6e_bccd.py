"""The demo's detector from scratch on the boxes of BCCD, blood cells.

BCCD (364 images, PASCAL VOC layout, MIT license) is an example of data of
your own: copy this file and change its upper part.

hardware:  2 CPU cores
command:   for split in train val test; do
               python tools/dataset_converters/voc2coco.py data/bccd
                   data/bccd/$split.json --split $split; done
           python tools/train.py
               configs/demo/faster-rcnn_r18-fpn_scratch_1xb4-6e_bccd.py
"""

_base_ = 'mask-rcnn_r18-fpn_scratch_1xb4-24e_demo.py'

data_root = 'data/bccd/'
images = 'JPEGImages/'
train_json, test_json = 'train.json', 'test.json'
metainfo = dict(classes=('Platelets', 'RBC', 'WBC'))
scale = (320, 240)
max_epochs = 6

# Without masks, Mask R-CNN is Faster R-CNN.
model = dict(
    type='FasterRCNN',
    data_preprocessor=dict(pad_mask=False),
    roi_head=dict(
        bbox_head=dict(num_classes=len(metainfo['classes'])),
        mask_roi_extractor=None,
        mask_head=None,
    ),
)
train_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        metainfo=metainfo,
        ann_file=train_json,
        data_prefix=dict(img=images),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations', with_bbox=True),
            dict(type='Resize', scale=scale, keep_ratio=True),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackDetInputs'),
        ],
    )
)
test_pipeline = _base_.test_pipeline
test_pipeline[1].scale = scale
test_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        metainfo=metainfo,
        ann_file=test_json,
        data_prefix=dict(img=images),
        pipeline=test_pipeline,
    )
)
test_evaluator = dict(ann_file=data_root + test_json, metric='bbox')
train_cfg = dict(max_epochs=max_epochs)
param_scheduler = _base_.param_scheduler
param_scheduler[1].end = max_epochs
