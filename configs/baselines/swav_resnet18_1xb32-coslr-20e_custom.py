"""SwAV of mmselfsup 1.0.0 on a folder of pictures, for a small backbone.

Two large and six small views, no queue, and prototypes in proportion to the
pictures: 100. They are frozen in the first epoch of 2,000 pictures.

paper:     Caron et al., arXiv 2006.09882
hardware:  2 CPU cores
duration:  about twice that of the others
reported:  none at this size
command:   python tools/train.py
               configs/baselines/swav_resnet18_1xb32-coslr-20e_custom.py
               --cfg-options train_dataloader.dataset.image_root=IMAGES
"""

_base_ = '_base_/image_level.py'

model = dict(
    type='SwAV',
    neck=dict(
        type='SwAVNeck',
        in_channels=_base_.width,
        hid_channels=_base_.width,
        out_channels=128,
        with_avg_pool=True,
    ),
    head=dict(
        type='SwAVHead',
        loss=dict(
            type='SwAVLoss',
            feat_dim=128,
            epsilon=0.05,
            temperature=0.1,
            num_crops=[2, 6],
            num_prototypes=100,
        ),
    ),
)

size = _base_.view_size
large = dict(type='RandomCropView', size=size, area=(0.14, 1.0))
small = dict(type='RandomCropView', size=size * 7 // 16, area=(0.05, 0.14))
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='DrawViews', views=[large] * 2 + [small] * 6),
            *_base_.simclr_pipeline[1:],
        ]
    )
)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='LARS', lr=0.6, momentum=0.9, weight_decay=1e-6),
)
auto_scale_lr = dict(enable=True, base_batch_size=256)
custom_hooks = [
    dict(
        type='mmselfsup.SwAVHook',
        priority='VERY_HIGH',
        batch_size=_base_.batch_size,
        queue_length=0,
        frozen_layers_cfg=dict(prototypes=62),
    )
]
