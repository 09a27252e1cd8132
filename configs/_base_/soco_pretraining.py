"""SoCo's pretraining without its detector and its data.

A leaf names a detector, the data and this file, and puts them together:

    model = dict(detector=_base_.model, pairs=_base_.pairs, **_base_.algorithm)
"""

_base_ = [
    'models/soco.py',
    'schedules/soco_lars-coslr-100e.py',
    'pretraining_runtime.py',
]

# `_delete_`: the leaf inherits the detector under `model`, and replaces it.
algorithm = dict(_delete_=True, **_base_.soco)
