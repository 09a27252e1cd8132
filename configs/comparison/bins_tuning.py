"""Settings of `bins.py`, judged on 300 of its training pictures.

Which parts of a pretrained detector help, and which settings of the
pretraining? The validation pictures of `bins.py` are not touched.

hardware:  2 CPU cores
duration:  about 10 minutes for each pretraining or fine-tuning
command:   mmsoco compare configs/comparison/bins_tuning.py --data data/bins
"""

name = 'bins_tuning'
title = 'Bins: settings that were tried on a split of the training pictures'
data = dict(
    root='data/bins',
    held_out=300,
    source='ATANU0023/garbage_detection_dataset, CC BY 4.0; `mmsoco convert '
    'bins` makes the same pictures and labels from it.',
)
detector = '_base_/faster-rcnn_r18-fpn_320.py'
pretraining = dict(samples=10_000, amp='bf16')
finetuning = dict(steps=600)
budgets = [dict(labels=100, seeds=(0, 1, 2))]
starts = [
    dict(name='scratch', kind='scratch', title='from scratch'),
    dict(
        name='soco',
        kind='soco',
        title='SoCo, whole detector',
        config='starts/soco.py',
    ),
    dict(
        name='soco-neck',
        kind='soco',
        title="SoCo's backbone and neck",
        pretrained_by='soco',
        parts=['backbone', 'neck'],
    ),
    dict(
        name='soco-backbone',
        kind='soco',
        title="SoCo's backbone",
        pretrained_by='soco',
        parts=['backbone'],
    ),
    # Neck and head start as in a fresh detector, at twice the size.
    dict(
        name='soco-init',
        kind='soco',
        title='SoCo from the initialization of the detector',
        config='starts/soco.py',
        options={'model.initialization': 'detector'},
    ),
    dict(
        name='soco-init-neck',
        kind='soco',
        title='... of which backbone and neck',
        pretrained_by='soco-init',
        parts=['backbone', 'neck'],
    ),
]
