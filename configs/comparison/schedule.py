"""Does the gain last in a longer fine-tuning? Bins, 1,500 steps.

After the 600 steps of bins.py the AP of all starts is still rising, and
`mmsoco finetune` trains for 1,500 steps. With `--out` of bins.py and
`--records` of its own, its pretrainings are used.

hardware:  2 CPU cores
duration:  about 25 minutes for each fine-tuning
command:   mmsoco compare configs/comparison/schedule.py --data data/bins
"""

_base_ = 'bins.py'

name = 'schedule'
title = 'Bins: fine-tuned for 1,500 steps, as mmsoco finetune does'
finetuning = dict(steps=1500)
budgets = [dict(labels=100, seeds=(0, 1, 2))]
_names = ['soco-rpn', 'soco-init-neck', 'soco-init']
starts = [
    _base_.starts[0],
    # The default length of `mmsoco pretrain`, as in length.py.
    dict(
        name='soco-rpn-40k',
        kind='soco',
        title='SoCo + RPN on 40,000 samples',
        config='starts/soco-rpn.py',
        samples=40_000,
        parts=['backbone', 'neck', 'rpn_head'],
    ),
    *[start for start in _base_.starts if start['name'] in _names],
    dict(
        name='scratch-longer',
        kind='scratch',
        title='from scratch with equal total time',
        time_of='soco-rpn-40k',
    ),
]
