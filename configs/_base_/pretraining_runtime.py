"""What every pretraining run has besides: the target's schedule, an alarm."""

_base_ = 'default_runtime.py'

default_hooks = dict(
    # Momentum from 0.99 to 1 by a cosine over the run's optimizer steps.
    target_update=dict(type='TargetUpdateHook', base_momentum=0.99),
    # stop=True ends a run that has collapsed.
    collapse=dict(type='CollapseHook', threshold=0.1, interval=50, stop=False),
)
