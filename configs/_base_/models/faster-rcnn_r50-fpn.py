"""Faster R-CNN R50-FPN: SoCo's Mask R-CNN without the mask head."""

_base_ = 'mask-rcnn_r50-fpn.py'

model = dict(
    type='FasterRCNN',
    data_preprocessor=dict(pad_mask=False),
    roi_head=dict(mask_roi_extractor=None, mask_head=None),
)
