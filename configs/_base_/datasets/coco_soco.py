"""COCO train2017 and unlabeled2017 for SoCo with FPN.

`tools/proposals/generate.py` makes one store of both folders; `--ann-file`
takes the names, e.g. `train2017/000000000009.jpg`.
"""

_base_ = 'imagenet_soco.py'

train_dataloader = dict(
    dataset=dict(
        image_root='data/coco',
        proposals='data/coco/proposals_train2017_unlabeled2017.arrow',
    )
)
