"""Mask R-CNN R50 with PAFPN, otherwise as with FPN."""

_base_ = 'mask-rcnn_r50-fpn.py'

model = dict(neck=dict(type='PAFPN'))
