"""Mask R-CNN R50-FPN as SoCo pretrains and fine-tunes it.

mmdet's model with batch norm in FPN and heads, the box head of four
convolutions and one fully connected layer, and nothing frozen. SyncBN is
turned on by `sync_bn = 'torch'` when training is distributed.
"""

_base_ = 'mmdet::_base_/models/mask-rcnn_r50_fpn.py'

norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    backbone=dict(frozen_stages=-1, norm_eval=False, init_cfg=None),
    neck=dict(norm_cfg=norm_cfg),
    roi_head=dict(
        bbox_head=dict(type='Shared4Conv1FCBBoxHead', norm_cfg=norm_cfg),
        mask_head=dict(norm_cfg=norm_cfg),
    ),
)
