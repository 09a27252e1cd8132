"""FCOS R50-FPN with batch norm in the FPN and nothing frozen.

Head and FPN are those of mmdet's FCOS; it has no base of the model alone.
"""

_base_ = 'retinanet_r50-fpn.py'

model = dict(
    type='FCOS',
    neck=dict(add_extra_convs='on_output', relu_before_extra_convs=True),
    bbox_head=dict(
        _delete_=True,
        type='FCOSHead',
        num_classes=80,
        in_channels=256,
        stacked_convs=4,
        feat_channels=256,
        strides=[8, 16, 32, 64, 128],
    ),
    train_cfg=None,
)
