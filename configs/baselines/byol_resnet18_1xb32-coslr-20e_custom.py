"""BYOL of mmselfsup 1.0.0 on a folder of pictures, for a small backbone.

The target moves once per batch: it has its published momentum of 0.99.

paper:     Grill et al., arXiv 2006.07733
hardware:  2 CPU cores
duration:  about as long as SoCo's for as many pictures
reported:  none at this size
command:   python tools/train.py
               configs/baselines/byol_resnet18_1xb32-coslr-20e_custom.py
               --cfg-options train_dataloader.dataset.image_root=IMAGES
"""

_base_ = '_base_/image_level.py'

model = dict(
    type='BYOL',
    base_momentum=0.99,
    neck=dict(
        type='NonLinearNeck',
        in_channels=_base_.width,
        hid_channels=2 * _base_.width,
        out_channels=_base_.width // 2,
        num_layers=2,
        with_bias=True,
        with_last_bn=False,
        with_avg_pool=True,
    ),
    head=dict(
        type='LatentPredictHead',
        loss=dict(type='CosineSimilarityLoss'),
        predictor=dict(
            type='NonLinearNeck',
            in_channels=_base_.width // 2,
            hid_channels=2 * _base_.width,
            out_channels=_base_.width // 2,
            num_layers=2,
            with_bias=True,
            with_last_bn=False,
            with_avg_pool=False,
        ),
    ),
)
train_dataloader = dict(dataset=dict(pipeline=_base_.byol_pipeline))
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='LARS', lr=4.8, momentum=0.9, weight_decay=1e-6),
)
auto_scale_lr = dict(enable=True, base_batch_size=4096)
param_scheduler = dict(warmup_share=0.05)
