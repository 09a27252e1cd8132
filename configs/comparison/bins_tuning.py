"""Settings of `bins.py`, judged on 300 of its training pictures.

Which parts of a pretrained detector help, and which settings of the
pretraining? The validation pictures of `bins.py` are not touched.

hardware:  2 CPU cores
duration:  about 10 minutes for each pretraining or fine-tuning
command:   mmsoco compare configs/comparison/bins_tuning.py --data data/bins
"""

_base_ = 'bins.py'

name = 'bins_tuning'
title = 'Bins: settings that were tried on a split of the training pictures'
tuning = 'This is the split that settings are chosen on.'
data = dict(held_out=300)
budgets = [dict(labels=100, seeds=(0, 1, 2))]
# The second is twice the size of the first in neck and head.
_initializations = [
    (
        'soco',
        'SoCo from the published initialization',
        'starts/soco_published-init.py',
    ),
    (
        'soco-init',
        "SoCo from the detector's initialization",
        'starts/soco.py',
    ),
]
_parts = [
    ('neck', 'backbone and neck', ['backbone', 'neck']),
    ('backbone', 'backbone', ['backbone']),
]
starts = [dict(name='scratch', kind='scratch', title='from scratch')]
for _name, _title, _config in _initializations:
    starts.append(
        dict(
            name=_name,
            kind='soco',
            title=f'{_title}, whole detector',
            config=_config,
        )
    )
    starts += [
        dict(
            name=f'{_name}-{_part}',
            kind='soco',
            title=f'{_title}, {_what}',
            pretrained_by=_name,
            parts=_names,
        )
        for _part, _what, _names in _parts
    ]
# SoCo's rate is scaled by the root of the batch; does that help BYOL too?
# 4.8 at a batch of 4096 becomes 0.42 at 32 then, instead of 0.04.
_rates = [
    ('byol', 'the published rate', {}),
    (
        'byol-root',
        'its rate scaled by the root of the batch',
        {'optim_wrapper.optimizer.lr': 54.3},
    ),
]
for _name, _what, _options in _rates:
    starts.append(
        dict(
            name=_name,
            kind='image-level',
            title=f'BYOL (mmselfsup), {_what}',
            config='../baselines/byol_resnet18_1xb32-coslr-20e_custom.py',
            options=_options,
        )
    )
