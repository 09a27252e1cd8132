"""Mask R-CNN ConvNeXt-T-FPN: mmcls' backbone as mmdet's configs set it."""

_base_ = 'mask-rcnn_r50-fpn.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmcls.ConvNeXt',
        arch='tiny',
        out_indices=[0, 1, 2, 3],
        drop_path_rate=0.4,
        layer_scale_init_value=1.0,
        gap_before_final_norm=False,
    ),
    neck=dict(in_channels=[96, 192, 384, 768]),
)
