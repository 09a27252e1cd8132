"""The detector of the tables with another backbone, EfficientNet-lite0.

Neck, heads, schedule, pictures and input are the same.
"""

_base_ = 'faster-rcnn_r18-fpn_320.py'

model = dict(
    backbone=dict(
        _delete_=True, type='mmsoco.EfficientNetLite', out_indices=(2, 3, 4, 5)
    ),
    neck=dict(in_channels=[24, 40, 112, 320]),
)
