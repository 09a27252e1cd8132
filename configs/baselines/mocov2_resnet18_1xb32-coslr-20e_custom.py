"""MoCo v2 of mmselfsup 1.0.0 on a folder of pictures, for a small backbone.

The queue holds 512 keys: a multiple of the batch, and not more than a
quarter of 2,000 pictures.

paper:     Chen et al., arXiv 2003.04297
hardware:  2 CPU cores
duration:  about as long as SoCo's for as many pictures
reported:  none at this size
command:   python tools/train.py
               configs/baselines/mocov2_resnet18_1xb32-coslr-20e_custom.py
               --cfg-options train_dataloader.dataset.image_root=IMAGES
"""

_base_ = '_base_/image_level.py'

model = dict(
    type='MoCo',
    queue_len=512,
    feat_dim=128,
    momentum=0.999,
    neck=dict(
        type='MoCoV2Neck',
        in_channels=_base_.width,
        hid_channels=_base_.width,
        out_channels=128,
        with_avg_pool=True,
    ),
    head=dict(
        type='ContrastiveHead',
        loss=dict(type='mmcls.CrossEntropyLoss'),
        temperature=0.2,
    ),
)
train_dataloader = dict(dataset=dict(pipeline=_base_.mocov2_pipeline))
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.03, momentum=0.9, weight_decay=1e-4),
)
auto_scale_lr = dict(enable=True, base_batch_size=256)
