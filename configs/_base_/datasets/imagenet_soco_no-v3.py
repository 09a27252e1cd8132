"""ImageNet-1k for SoCo without the third view (ablation), with cutout."""

_base_ = 'imagenet_soco_cutout.py'

pairs = [(1, 2)]

draw_views = dict(
    _base_.draw_views, views=_base_.draw_views['views'][:2], pairs=pairs
)
photometric = dict(
    _base_.photometric, blur_prob=(1.0, 0.1), solarize_prob=(0.0, 0.2)
)
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            draw_views,
            photometric,
            *_base_.train_dataloader.dataset.pipeline[2:],
        ]
    )
)
