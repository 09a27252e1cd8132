"""What every fine-tuning run has besides: pictures of detections."""

_base_ = 'default_runtime.py'

default_hooks = dict(
    visualization=dict(type='DetVisualizationHook'),
)
visualizer = dict(type='DetLocalVisualizer')
