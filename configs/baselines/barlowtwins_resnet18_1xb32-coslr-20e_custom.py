"""Barlow Twins of mmselfsup 1.0.0 on a folder of pictures, for a small backbone.

Its embeddings are four times as wide as the backbone, as published. The views
are those of BYOL.

paper:     Zbontar et al., arXiv 2103.03230
hardware:  2 CPU cores
duration:  about as long as SoCo's for as many pictures
reported:  none at this size
command:   python tools/train.py
               configs/baselines/barlowtwins_resnet18_1xb32-coslr-20e_custom.py
               --cfg-options train_dataloader.dataset.image_root=IMAGES
"""

_base_ = '_base_/image_level.py'

model = dict(
    type='BarlowTwins',
    neck=dict(
        type='NonLinearNeck',
        in_channels=_base_.width,
        hid_channels=4 * _base_.width,
        out_channels=4 * _base_.width,
        num_layers=3,
        with_last_bn=False,
        with_last_bn_affine=False,
        with_avg_pool=True,
        init_cfg=dict(
            type='Kaiming', distribution='uniform', layer=['Linear']
        ),
    ),
    head=dict(
        type='LatentCrossCorrelationHead',
        in_channels=4 * _base_.width,
        loss=dict(type='CrossCorrelationLoss'),
    ),
)
train_dataloader = dict(dataset=dict(pipeline=_base_.byol_pipeline))
# Norms and biases have their own rate.
slow = dict(decay_mult=0, lr_mult=0.024)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='LARS', lr=1.6, momentum=0.9, weight_decay=1e-6),
    paramwise_cfg=dict(
        custom_keys={'bn': slow, 'bias': slow, 'downsample.1': slow}
    ),
)
auto_scale_lr = dict(enable=True, base_batch_size=2048)
param_scheduler = dict(warmup_share=0.03)
