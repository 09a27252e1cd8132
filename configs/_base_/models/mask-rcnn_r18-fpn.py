"""Mask R-CNN R18-FPN, otherwise as R50-FPN."""

_base_ = 'mask-rcnn_r50-fpn.py'

model = dict(
    backbone=dict(depth=18), neck=dict(in_channels=[64, 128, 256, 512])
)
