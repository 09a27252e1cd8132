"""ImageNet-1k with random boxes instead of selective search (ablation)."""

_base_ = 'imagenet_soco.py'

train_dataloader = dict(
    dataset=dict(
        proposals=None,
        pipeline=[
            dict(type='RandomProposals'),
            {{_base_.draw_views}},
            {{_base_.photometric}},
            {{_base_.pack_views}},
        ],
    )
)
