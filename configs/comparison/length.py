"""How the gain moves with the length of pretraining: three lengths on bins.

With `--out` of bins.py and `--records` of its own, its trainings are used.

hardware:  2 CPU cores
duration:  days; the longest pretraining takes about two hours
command:   mmsoco compare configs/comparison/length.py --data data/bins
"""

_base_ = 'bins.py'

name = 'length'
title = 'Bins: pretraining of three lengths'
budgets = [dict(labels=100, seeds=(0, 1, 2))]
# Each length with its box head and without: when does the head pay?
_starts = [
    ('soco-init', '10,000', 10_000),
    ('soco-init-40k', '40,000', 40_000),
    ('soco-init-160k', '160,000', 160_000),
]
starts = [dict(name='scratch', kind='scratch', title='from scratch')]
for _name, _title, _samples in _starts:
    starts += [
        dict(
            name=f'{_name}-neck',
            kind='soco',
            title=f'SoCo (backbone and neck), {_title} samples',
            pretrained_by=_name,
            parts=['backbone', 'neck'],
        ),
        dict(
            name=_name,
            kind='soco',
            title=f'SoCo with its box head, {_title} samples',
            config='starts/soco.py',
            samples=_samples,
        ),
    ]
