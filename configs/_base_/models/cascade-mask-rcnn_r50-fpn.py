"""Cascade Mask R-CNN R50-FPN, changed as SoCo changes Mask R-CNN.

Batch norm in FPN and heads, three box heads of four convolutions and one
fully connected layer, nothing frozen. Pretraining trains one trunk, from which
all three stages start.
"""

_base_ = 'mmdet::_base_/models/cascade-mask-rcnn_r50_fpn.py'

norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    backbone=dict(frozen_stages=-1, norm_eval=False, init_cfg=None),
    neck=dict(norm_cfg=norm_cfg),
    roi_head=dict(
        bbox_head=[
            dict(head, type='Shared4Conv1FCBBoxHead', norm_cfg=norm_cfg)
            for head in _base_.model.roi_head.bbox_head
        ],
        mask_head=dict(norm_cfg=norm_cfg),
    ),
)
