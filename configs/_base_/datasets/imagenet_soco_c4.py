"""ImageNet-1k for SoCo with C4: two views, no box jitter, cutout."""

_base_ = 'imagenet_soco.py'

pairs = [(1, 2)]

draw_views = dict(
    type='DrawViews',
    views=[
        dict(type='WholeImageView', size=224),
        dict(type='RandomCropView', size=224, area=(0.6, 1.0)),
    ],
    pairs=pairs,
    num_proposals=4,
)
photometric = dict(
    type='PhotometricJitter',
    on_device=True,
    blur_prob=(1.0, 0.1),
    solarize_prob=(0.0, 0.2),
)

train_dataloader = dict(
    dataset=dict(
        pipeline=[
            draw_views,
            photometric,
            dict(type='DrawCutout', prob=0.5),
            {{_base_.pack_views}},
        ]
    )
)
