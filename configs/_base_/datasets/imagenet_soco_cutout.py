"""ImageNet-1k for SoCo with FPN, 100-epoch recipe: three views and cutout."""

_base_ = 'imagenet_soco.py'

train_dataloader = dict(
    dataset=dict(
        pipeline=[
            {{_base_.draw_views}},
            {{_base_.photometric}},
            dict(type='DrawCutout', prob=0.5),
            {{_base_.pack_views}},
        ]
    )
)
