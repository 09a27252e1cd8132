"""Street photographs of bins and litter: 2,000 pictures, 100 and 400 labels.

hardware:  2 CPU cores
duration:  about 20 hours; a pretraining or a fine-tuning takes 12 minutes
command:   mmsoco compare configs/comparison/bins.py --data data/bins
"""

name = 'bins'
title = 'Bins: 2,000 street photographs, few of them labeled'
data = dict(
    root='data/bins',
    source='ATANU0023/garbage_detection_dataset, CC BY 4.0; `mmsoco convert '
    'bins` makes the same pictures and labels from it.',
)
detector = '_base_/faster-rcnn_r18-fpn_320.py'
tuning = (
    "SoCo's recipe is the best of about 16 that were tried on a split of the "
    'training pictures, most of them for 120 steps, and its parts the best of '
    'three choices there (docs/research/small_data.md). Rates of the image-level methods are the published ones, '
    'scaled to the batch, and were not tuned, which favors SoCo.'
)
pretraining = dict(samples=10_000, amp='bf16')
finetuning = dict(steps=600)
budgets = [
    dict(labels=100, seeds=(0, 1, 2, 3, 4, 5)),
    dict(labels=400, seeds=(0, 1, 2)),
]
# A box head that was pretrained this briefly costs AP (bins_tuning.py).
_parts = ['backbone', 'neck']
starts = [
    dict(name='scratch', kind='scratch', title='from scratch'),
    # What `mmsoco finetune` loads after a pretraining of this length.
    dict(
        name='soco-neck',
        kind='soco',
        title='SoCo (backbone and neck)',
        pretrained_by='soco',
        parts=_parts,
        trials=18,
    ),
    dict(
        name='soco',
        kind='soco',
        title='SoCo with its box head',
        config='starts/soco.py',
        trials=18,
        max_seeds=3,
    ),
    dict(
        name='soco-backbone',
        kind='soco',
        title="SoCo's backbone alone",
        pretrained_by='soco',
        parts=['backbone'],
        trials=18,
        max_seeds=3,
    ),
    dict(
        name='byol',
        kind='image-level',
        title='BYOL (mmselfsup)',
        config='../baselines/byol_resnet18_1xb32-coslr-20e_custom.py',
        max_seeds=3,
    ),
    dict(
        name='mocov2',
        kind='image-level',
        title='MoCo v2 (mmselfsup)',
        config='../baselines/mocov2_resnet18_1xb32-coslr-20e_custom.py',
        max_seeds=3,
    ),
    dict(
        name='densecl',
        kind='image-level',
        title='DenseCL (mmselfsup)',
        config='../baselines/densecl_resnet18_1xb32-coslr-20e_custom.py',
        max_seeds=3,
    ),
    dict(
        name='scratch-longer',
        kind='scratch',
        title='from scratch, for the time of pretraining too',
        time_of='soco',
        max_seeds=3,
    ),
    # Tier 2: as many seeds as time allows.
    dict(
        name='byol-time',
        kind='image-level',
        title="BYOL (mmselfsup), for SoCo's time",
        config='../baselines/byol_resnet18_1xb32-coslr-20e_custom.py',
        time_of='soco',
        budgets=[100],
        max_seeds=3,
        tier=2,
    ),
    dict(
        name='soco-all',
        kind='soco',
        title="SoCo, roi_levels='all'",
        config='starts/soco.py',
        options={'model.roi_levels': 'all'},
        parts=_parts,
        budgets=[100],
        max_seeds=3,
        tier=2,
    ),
    dict(
        name='soco-random-boxes',
        kind='soco',
        title='SoCo on random boxes',
        config='starts/soco_random-boxes.py',
        parts=_parts,
        budgets=[100],
        max_seeds=3,
        tier=2,
    ),
    dict(
        name='byol-own',
        kind='soco',
        title="BYOL by SoCo's recipe",
        config='starts/byol.py',
        parts=_parts,
        budgets=[100],
        max_seeds=3,
        tier=2,
    ),
    dict(
        name='simclr',
        kind='image-level',
        title='SimCLR (mmselfsup)',
        config='../baselines/simclr_resnet18_1xb32-coslr-20e_custom.py',
        budgets=[100],
        max_seeds=3,
        tier=2,
    ),
    dict(
        name='simsiam',
        kind='image-level',
        title='SimSiam (mmselfsup)',
        config='../baselines/simsiam_resnet18_1xb32-coslr-20e_custom.py',
        budgets=[100],
        max_seeds=3,
        tier=2,
    ),
    dict(
        name='barlowtwins',
        kind='image-level',
        title='Barlow Twins (mmselfsup)',
        config='../baselines/barlowtwins_resnet18_1xb32-coslr-20e_custom.py',
        budgets=[100],
        max_seeds=3,
        tier=2,
    ),
    dict(
        name='swav',
        kind='image-level',
        title='SwAV (mmselfsup)',
        config='../baselines/swav_resnet18_1xb32-coslr-20e_custom.py',
        budgets=[100],
        max_seeds=3,
        tier=2,
    ),
]
