"""Faster R-CNN R50-C4 with a norm after res5."""

_base_ = 'mask-rcnn_r50-c4_extra-norm.py'

# Without masks, Mask R-CNN is Faster R-CNN.
model = dict(
    type='FasterRCNN',
    data_preprocessor=dict(pad_mask=False),
    roi_head=dict(mask_roi_extractor=None, mask_head=None),
)
