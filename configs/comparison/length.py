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
_without_head = dict(kind='soco', parts=['backbone', 'neck'])
_with_head = dict(kind='soco', config='starts/soco.py')
starts = [
    dict(name='scratch', kind='scratch', title='from scratch'),
    dict(
        _without_head,
        name='soco-init-neck',
        title='SoCo (backbone and neck), 10,000 samples',
        pretrained_by='soco-init',
    ),
    dict(
        _with_head,
        name='soco-init',
        title='SoCo with its box head, 10,000 samples',
        samples=10_000,
    ),
    dict(
        _without_head,
        name='soco-init-40k-neck',
        title='SoCo (backbone and neck), 40,000 samples',
        pretrained_by='soco-init-40k',
    ),
    dict(
        _with_head,
        name='soco-init-40k',
        title='SoCo with its box head, 40,000 samples',
        samples=40_000,
    ),
    dict(
        _without_head,
        name='soco-init-160k-neck',
        title='SoCo (backbone and neck), 160,000 samples',
        pretrained_by='soco-init-160k',
    ),
    dict(
        _with_head,
        name='soco-init-160k',
        title='SoCo with its box head, 160,000 samples',
        samples=160_000,
    ),
]
