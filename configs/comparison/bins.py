"""Street photographs of bins and litter: 2,000 without labels, 100 and 400.

hardware:  2 CPU cores
duration:  a day and more; the first cells take half an hour
command:   mmsoco compare configs/comparison/bins.py --data data/bins
"""

name = 'bins'
title = 'Bins: 2,000 street photographs, few of them labelled'
data = dict(
    root='data/bins',
    source='ATANU0023/garbage_detection_dataset, CC BY 4.0; `mmsoco convert '
    'bins` makes the same pictures and labels from it.',
)
detector = '_base_/faster-rcnn_r18-fpn_320.py'
pretraining = dict(samples=40_000)
finetuning = dict(steps=600)
budgets = [
    dict(labels=100, seeds=(0, 1, 2, 3, 4, 5)),
    dict(labels=400, seeds=(0, 1, 2)),
]
starts = [
    dict(name='scratch', kind='scratch', title='from scratch'),
    dict(
        name='soco',
        kind='soco',
        title='SoCo',
        config='../demo/soco_mask-rcnn_r18-fpn_1xb16-coslr-8e_custom.py',
    ),
]
