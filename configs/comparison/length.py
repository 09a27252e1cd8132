"""How the gain moves with the length of pretraining: three lengths on bins.

With `--out` of bins.py and `--records` of its own, its trainings are used.

hardware:  2 CPU cores
duration:  days; a pretraining takes 12 minutes to 3 hours
command:   mmsoco compare configs/comparison/length.py --data data/bins
"""

_base_ = 'bins.py'

name = 'length'
title = 'Bins: pretraining of three lengths'
budgets = [dict(labels=labels, seeds=(0, 1, 2)) for labels in (100, 400)]
# The first one is about the default of `mmsoco pretrain`, and is what the
# answer is about.
_lengths = {
    'soco-rpn-40k': 40_000,
    'soco-rpn': 10_000,
    'soco-rpn-160k': 160_000,
}
starts = [
    dict(name='scratch', kind='scratch', title='from scratch'),
    *[
        dict(
            name=name,
            kind='soco',
            title=f'SoCo + RPN on {samples:,} samples',
            config='starts/soco-rpn.py',
            samples=samples,
            parts=['backbone', 'neck', 'rpn_head'],
            budgets=[100] if samples > 40_000 else None,
        )
        for name, samples in _lengths.items()
    ],
    dict(
        name='scratch-longer',
        kind='scratch',
        title='from scratch with equal total time',
        time_of='soco-rpn-40k',
    ),
    # A box head that was pretrained briefly costs AP (bins_tuning.py): when
    # does it pay?
    *[
        dict(
            name=f'{name}-whole',
            kind='soco',
            title=f'SoCo + RPN with the box head, on {samples:,} samples',
            pretrained_by=name,
            budgets=[100],
        )
        for name, samples in _lengths.items()
    ],
]
