"""LVIS v1 at short sides of 640 to 800, by iterations.

mmdet's data: repeat-factor sampling at a threshold of 0.001. The images are
COCO's; LVISMetric needs the package `lvis`.
"""

_base_ = 'mmdet::_base_/datasets/lvis_v1_instance.py'

train_dataloader = dict(
    num_workers=4,
    sampler=dict(_delete_=True, type='InfiniteSampler', shuffle=True),
)
