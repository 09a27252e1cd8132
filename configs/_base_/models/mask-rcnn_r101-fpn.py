"""Mask R-CNN R101-FPN, otherwise as R50-FPN."""

_base_ = 'mask-rcnn_r50-fpn.py'

model = dict(backbone=dict(depth=101))
