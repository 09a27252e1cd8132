"""SoCo's pretraining without its detector and its data.

A leaf names a detector, the data and this file, and puts them together:

    model = dict(detector=_base_.model, pairs=_base_.pairs, **_base_.soco)
"""

_base_ = [
    'models/soco.py',
    'schedules/soco_lars-coslr-100e.py',
    'pretraining_runtime.py',
]
