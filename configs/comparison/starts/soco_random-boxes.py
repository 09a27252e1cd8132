"""SoCo with random boxes in the place of selective search (ablation).

command:   mmsoco compare PLAN, as a start of it
"""

_base_ = 'soco.py'

train_dataloader = dict(
    dataset=dict(
        proposals=None,
        pipeline=[
            dict(type='RandomProposals'),
            *_base_.train_dataloader.dataset.pipeline,
        ],
    )
)
