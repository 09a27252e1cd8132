"""COCO train2017 and unlabeled2017 for SoCo with FPN.

Each folder has its own store: `mmsoco propose` one after the other.
"""

_base_ = 'imagenet_soco.py'

train_dataloader = dict(
    dataset=dict(
        image_root=['data/coco/train2017', 'data/coco/unlabeled2017'],
        proposals=[
            'data/coco/proposals_train2017.arrow',
            'data/coco/proposals_unlabeled2017.arrow',
        ],
    )
)
