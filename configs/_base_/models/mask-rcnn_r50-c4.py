"""Mask R-CNN R50-C4 as SoCo pretrains and fine-tunes it.

mmdet's model with the stride in the 3x3 convolutions, inputs normalized by
ImageNet's mean and deviation in RGB, batch norm trained and nothing frozen.
"""

_base_ = 'mmdet::_base_/models/mask-rcnn_r50-caffe-c4.py'

norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
    ),
    backbone=dict(
        style='pytorch',
        frozen_stages=-1,
        norm_cfg=norm_cfg,
        norm_eval=False,
        init_cfg=None,
    ),
    roi_head=dict(
        shared_head=dict(style='pytorch', norm_cfg=norm_cfg, norm_eval=False),
    ),
)
