"""Faster R-CNN R50 without FPN: one map, the backbone's last (ablation).

The box head has no layers before the classifier and the regressor, so
that the backbone alone is pretrained.
"""

_base_ = 'faster-rcnn_r50-fpn.py'

model = dict(
    backbone=dict(out_indices=(3,)),
    neck=None,
    rpn_head=dict(
        in_channels=2048,
        anchor_generator=dict(scales=[1, 2, 4, 8, 16], strides=[32]),
    ),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=2048, featmap_strides=[32]),
        bbox_head=dict(
            _delete_=True,
            type='BBoxHead',
            with_avg_pool=True,
            roi_feat_size=7,
            in_channels=2048,
            num_classes=80,
        ),
    ),
)
