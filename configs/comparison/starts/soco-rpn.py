"""SoCo and the detector's RPN by the recipe for small folders.

command:   mmsoco compare PLAN, as a start of it
"""

_base_ = 'soco.py'

views = (1, 2)
model = dict(pretexts=[dict(type='RPNPretext', views=views)])
pipeline = _base_.train_dataloader.dataset.pipeline
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            *pipeline[:-1],
            dict(type='ShowProposals', views=views),
            pipeline[-1],
        ]
    )
)
