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
_names = [
    'scratch',
    # Initializations of neck and head, of which the second is twice the size of
    # the first, and the parts that are loaded.
    'soco',
    'soco-neck',
    'soco-backbone',
    'soco-init',
    'soco-init-neck',
    'soco-init-backbone',
    # with and without the RPN
    'soco-rpn',
    # two rates
    'byol',
    'byol-root',
]
_parts = ['backbone', 'neck', 'rpn_head']
starts = [
    *[start for start in _base_.starts if start['name'] in _names],
    # The default filter removes small and medium objects. This is the one that
    # `mmsoco pretrain --check` chooses.
    dict(
        name='soco-rpn-wide',
        kind='soco',
        title='SoCo + RPN, wider filter',
        config='starts/soco-rpn.py',
        parts=_parts,
        filters=dict(min_size=16, min_scale=0.15),
    ),
    # The weight of the RPN's loss, 1 by default, and the views it learns from.
    *[
        dict(
            name=name,
            kind='soco',
            title=f'SoCo + RPN, {title}',
            config='starts/soco-rpn.py',
            parts=_parts,
            options=options,
        )
        for name, title, options in [
            (
                'soco-rpn-heavy',
                'weight 3',
                {'model.pretexts.0.weight': 3.0},
            ),
            (
                'soco-rpn-light',
                'weight 0.3',
                {'model.pretexts.0.weight': 0.3},
            ),
            (
                'soco-rpn-view-1',
                'view 1 only',
                {
                    'model.pretexts.0.views': (1,),
                    'train_dataloader.dataset.pipeline.2.views': (1,),
                },
            ),
        ]
    ],
]
