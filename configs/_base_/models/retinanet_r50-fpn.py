"""RetinaNet R50-FPN with batch norm in the FPN and nothing frozen."""

_base_ = 'mmdet::_base_/models/retinanet_r50_fpn.py'

model = dict(
    backbone=dict(frozen_stages=-1, norm_eval=False, init_cfg=None),
    neck=dict(norm_cfg=dict(type='BN', requires_grad=True)),
)
