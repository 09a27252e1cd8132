"""Pictures and views of MoCo v2, which DenseCL and SimSiam share."""

_base_ = 'image_level.py'

crop = dict(type='RandomCropView', size=_base_.view_size, area=(0.2, 1.0))
colors = dict(
    _base_.photometric, saturation=0.4, blur_prob=0.5, solarize_prob=0.0
)
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='DrawViews', views=[crop] * 2),
            colors,
            _base_.pack_views,
        ]
    )
)
