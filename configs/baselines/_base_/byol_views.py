"""Pictures and views of BYOL, which Barlow Twins shares."""

_base_ = 'image_level.py'

crop = dict(type='RandomCropView', size=_base_.view_size, area=(0.08, 1.0))
colors = dict(
    _base_.photometric, blur_prob=(1.0, 0.1), solarize_prob=(0.0, 0.2)
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
