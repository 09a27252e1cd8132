"""SimSiam of mmselfsup 1.0.0 on a folder of pictures, for a small backbone.

The predictor keeps its rate while the others follow the cosine. The views are
those of MoCo v2.

paper:     Chen and He, arXiv 2011.10566
hardware:  2 CPU cores
duration:  about as long as SoCo's for as many pictures
reported:  none at this size
command:   python tools/train.py
               configs/baselines/simsiam_resnet18_1xb32-coslr-20e_custom.py
               --cfg-options train_dataloader.dataset.image_root=IMAGES
"""

_base_ = '_base_/image_level.py'

model = dict(
    type='SimSiam',
    neck=dict(
        type='NonLinearNeck',
        in_channels=_base_.width,
        hid_channels=_base_.width,
        out_channels=_base_.width,
        num_layers=3,
        with_last_bn_affine=False,
        with_avg_pool=True,
    ),
    head=dict(
        type='LatentPredictHead',
        loss=dict(type='CosineSimilarityLoss'),
        predictor=dict(
            type='NonLinearNeck',
            in_channels=_base_.width,
            hid_channels=_base_.width // 4,
            out_channels=_base_.width,
            with_avg_pool=False,
            with_last_bn=False,
            with_last_bias=True,
        ),
    ),
)
train_dataloader = dict(dataset=dict(pipeline=_base_.mocov2_pipeline))
lr, base_batch_size = 0.05, 256
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=lr, momentum=0.9, weight_decay=1e-4),
    paramwise_cfg=dict(custom_keys=dict(predictor=dict(fix_lr=True))),
)
auto_scale_lr = dict(enable=True, base_batch_size=base_batch_size)
# The predictor has its own rate, scaled here; set it too for another batch.
custom_hooks = [
    dict(
        type='mmselfsup.SimSiamHook',
        fix_pred_lr=True,
        adjust_by_epoch=False,
        lr=lr * _base_.batch_size / base_batch_size,
    )
]
