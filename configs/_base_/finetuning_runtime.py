"""What every fine-tuning run has besides: a report of what was loaded."""

_base_ = 'default_runtime.py'

default_hooks = dict(
    load_report=dict(type='LoadReportHook'),
    visualization=dict(type='DetVisualizationHook'),
)
visualizer = dict(type='DetLocalVisualizer')
