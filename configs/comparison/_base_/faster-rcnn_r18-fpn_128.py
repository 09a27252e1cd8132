"""The demo's detector as Faster R-CNN on scenes of 128 pixels."""

_base_ = 'faster-rcnn_r18-fpn_320.py'

scale = (128, 128)
train_pipeline = _base_.train_pipeline
train_pipeline[2].scale = scale
test_pipeline = _base_.test_pipeline
test_pipeline[1].scale = scale
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
