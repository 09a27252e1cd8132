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
starts = [
    dict(name='scratch', kind='scratch', title='from scratch'),
    dict(
        name='soco',
        kind='soco',
        title='SoCo, 10,000 samples',
        config='starts/soco.py',
    ),
    dict(
        name='soco-40k',
        kind='soco',
        title='SoCo, 40,000 samples',
        config='starts/soco.py',
        samples=40_000,
    ),
    dict(
        name='soco-160k',
        kind='soco',
        title='SoCo, 160,000 samples',
        config='starts/soco.py',
        samples=160_000,
    ),
]
