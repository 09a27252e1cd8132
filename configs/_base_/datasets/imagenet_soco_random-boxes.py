"""ImageNet-1k with random boxes, not selective search (ablation); cutout."""

_base_ = 'imagenet_soco_cutout.py'

train_dataloader = dict(
    dataset=dict(
        proposals=None,
        pipeline=[
            dict(type='RandomProposals'),
            *_base_.train_dataloader.dataset.pipeline,
        ],
    )
)
