"""Mask R-CNN ResNeXt-101-32x4d-FPN, otherwise as R50-FPN."""

_base_ = 'mask-rcnn_r50-fpn.py'

model = dict(backbone=dict(type='ResNeXt', depth=101, groups=32, base_width=4))
