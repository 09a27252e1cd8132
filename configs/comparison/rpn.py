"""SoCo with the RPN, in two rounds, on the best and the worst boxes.

On 2,000 street photographs of bins and litter, of which 50 or 100 have
labels. The labels' own boxes as proposals are the bound that no better
proposals can pass; random boxes are the other one.

hardware:  2 CPU cores
duration:  about 12 minutes for each pretraining or fine-tuning
command:   mmsoco compare configs/comparison/rpn.py --data data/bins
"""

_base_ = 'bins.py'

name = 'rpn'
title = 'Bins: the RPN as a pretext, and other proposals'
notes = (
    'The start on the boxes of the labels has seen the boxes, but not the '
    'classes, of all labels: it is a bound, and no method.'
)
tuning = 'The weight of the RPN loss and its views are the first ones tried.'
budgets = [
    dict(labels=50, seeds=(0, 1, 2)),
    dict(labels=100, seeds=(0, 1, 2)),
]
_names = ['scratch', 'soco-rpn', 'soco-init-neck', 'soco-init']
_parts = ['backbone', 'neck']
_whole = [*_parts, 'rpn_head']
starts = [
    *[start for start in _base_.starts if start['name'] in _names],
    # Is it the RPN's own weights, or what its loss does to the backbone?
    dict(
        name='soco-rpn-neck',
        kind='soco',
        title='SoCo + RPN, with a fresh RPN',
        pretrained_by='soco-rpn',
        parts=_parts,
        budgets=[100],
    ),
    dict(
        name='soco-rpn-2',
        kind='soco',
        title='SoCo + RPN, second round',
        config='starts/soco-rpn.py',
        parts=_whole,
        proposals='soco-rpn',
    ),
    dict(
        name='soco-rpn-oracle',
        kind='soco',
        title='SoCo + RPN on the boxes of the labels',
        config='starts/soco-rpn.py',
        parts=_whole,
        proposals='labels',
    ),
    dict(
        name='soco-oracle',
        kind='soco',
        title='SoCo on the boxes of the labels',
        config='starts/soco.py',
        parts=_parts,
        proposals='labels',
    ),
    dict(
        name='soco-random-boxes',
        kind='soco',
        title='SoCo on random boxes',
        config='starts/soco_random-boxes.py',
        parts=_parts,
    ),
]
