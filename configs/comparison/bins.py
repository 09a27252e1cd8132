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
    "SoCo's recipe is the best of about 17 that were tried on a split of the "
    'training pictures, most of them for 120 steps, its parts the best of '
    'three choices there, and the RPN the better of two '
    '(docs/research/small_data.md). Rates of the image-level methods are the '
    "published ones, scaled to the batch; only BYOL's was tried at two on the "
    'same split. That favors SoCo.'
)
pretraining = dict(samples=10_000, amp='bf16')
finetuning = dict(steps=600)
budgets = [
    dict(labels=100, seeds=(0, 1, 2, 3, 4, 5)),
    dict(labels=400, seeds=(0, 1, 2)),
]
# A box head that was pretrained this briefly costs AP (bins_tuning.py).
_parts = ['backbone', 'neck']
_brief = dict(budgets=[100], max_seeds=3)
# Tier 2 follows when tier 1 is done: as many seeds as time allows.
_tier_2 = dict(_brief, tier=2)


def _mmselfsup(method, **start):
    config = f'../baselines/{method}_resnet18_1xb32-coslr-20e_custom.py'
    return dict(name=method, kind='image-level', config=config) | start


starts = [
    dict(name='scratch', kind='scratch', title='from scratch'),
    # What `mmsoco finetune` loads after `mmsoco pretrain` of this length.
    dict(
        name='soco-rpn',
        kind='soco',
        title='SoCo + RPN (backbone, neck and RPN)',
        config='starts/soco-rpn.py',
        parts=[*_parts, 'rpn_head'],
        trials=21,
    ),
    # The same with `--no-rpn`.
    dict(
        name='soco-init-neck',
        kind='soco',
        title='SoCo (backbone and neck)',
        pretrained_by='soco-init',
        parts=_parts,
        trials=20,
    ),
    dict(
        name='soco-init',
        kind='soco',
        title='SoCo, with its box head',
        config='starts/soco.py',
        trials=20,
        **_brief,
    ),
    dict(
        name='soco-init-backbone',
        kind='soco',
        title='SoCo, its backbone alone',
        pretrained_by='soco-init',
        parts=['backbone'],
        trials=20,
        **_brief,
    ),
    # The recipe of `mmsoco pretrain` until it had an initialization of its own.
    dict(
        name='soco-neck',
        kind='soco',
        title='SoCo, published initialization (backbone and neck)',
        pretrained_by='soco',
        parts=_parts,
        trials=18,
        max_seeds=4,
        tier=2,
    ),
    dict(
        name='soco',
        kind='soco',
        title='SoCo, published initialization, with its box head',
        config='starts/soco_published-init.py',
        trials=18,
        **_tier_2,
    ),
    dict(
        name='soco-backbone',
        kind='soco',
        title='SoCo, published initialization, its backbone alone',
        pretrained_by='soco',
        parts=['backbone'],
        trials=18,
        **_tier_2,
    ),
    _mmselfsup('byol', title='BYOL (mmselfsup)', max_seeds=3),
    _mmselfsup('mocov2', title='MoCo v2 (mmselfsup)', max_seeds=3),
    _mmselfsup('densecl', title='DenseCL (mmselfsup)', max_seeds=3),
    # The better of two rates that were tried on the split of bins_tuning.py:
    # scaled by the root of the batch, as SoCo's is. 4.8 at a batch of 4096
    # becomes 0.42 at 32 then, instead of 0.04.
    _mmselfsup(
        'byol',
        name='byol-root',
        title='BYOL (mmselfsup), tuned rate',
        options={'optim_wrapper.optimizer.lr': 54.3},
        trials=2,
        max_seeds=3,
    ),
    # The time that SoCo's pretraining takes, spent in other ways.
    dict(
        name='scratch-longer',
        kind='scratch',
        title='from scratch with equal total time',
        time_of='soco-init',
        max_seeds=3,
    ),
    _mmselfsup(
        'byol',
        name='byol-time',
        title="BYOL (mmselfsup), for SoCo's time",
        time_of='soco-init',
        **_tier_2,
    ),
    # SoCo with one choice changed.
    dict(
        name='soco-all',
        kind='soco',
        title="SoCo, roi_levels='all'",
        config='starts/soco.py',
        options={'model.roi_levels': 'all'},
        parts=_parts,
        **_tier_2,
    ),
    dict(
        name='soco-random-boxes',
        kind='soco',
        title='SoCo on random boxes',
        config='starts/soco_random-boxes.py',
        parts=_parts,
        **_tier_2,
    ),
    dict(
        name='byol-own',
        kind='soco',
        title="BYOL by SoCo's recipe",
        config='starts/byol.py',
        parts=_parts,
        **_tier_2,
    ),
    _mmselfsup('simclr', title='SimCLR (mmselfsup)', **_tier_2),
    _mmselfsup('simsiam', title='SimSiam (mmselfsup)', **_tier_2),
    _mmselfsup('barlowtwins', title='Barlow Twins (mmselfsup)', **_tier_2),
    _mmselfsup('swav', title='SwAV (mmselfsup)', **_tier_2),
]
