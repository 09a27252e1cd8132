"""ImageNet-1k for SoCo*: a third view of 192, a fourth shrunk from view 2."""

_base_ = 'imagenet_soco.py'

# Views 1 and 4 are compared on the proposals of views 1 and 2.
pairs = [(1, 2), (1, 3), dict(views=(1, 4), proposals_of=(1, 2))]

draw_views = dict(
    type='DrawViews',
    views=[
        dict(type='WholeImageView', size=224, jitter_prob=0.5),
        dict(type='RandomCropView', size=224, area=(0.5, 1.0)),
        dict(type='RandomCropView', size=192, area=(0.5, 1.0)),
        dict(type='ResizedView', of=2, size=112),
    ],
    pairs=pairs,
    num_proposals=4,
)

train_dataloader = dict(
    dataset=dict(
        pipeline=[
            draw_views,
            {{_base_.photometric}},
            {{_base_.pack_views}},
        ]
    )
)
