"""Mask R-CNN R50-C4 as SoCo's recipe fine-tunes it: a norm after res5.

The norm is new in fine-tuning: it starts from scratch in all twins.
"""

_base_ = 'mask-rcnn_r50-c4.py'

custom_imports = dict(imports=['mmselfsup.models.utils.res_layer_extra_norm'])
model = dict(roi_head=dict(shared_head=dict(type='ResLayerExtraNorm')))
