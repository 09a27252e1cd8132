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
    'training pictures, most of them for 120 steps, and its parts the best of '
    'three choices there (docs/research/small_data.md). Rates of the '
    'image-level methods are the published ones, scaled to the batch; only '
    "BYOL's was tried at two on the same split. That favors SoCo."
)
pretraining = dict(samples=10_000, amp='bf16')
finetuning = dict(steps=600)
budgets = [
    dict(labels=100, seeds=(0, 1, 2, 3, 4, 5)),
    dict(labels=400, seeds=(0, 1, 2)),
]
# A box head that was pretrained this briefly costs AP (bins_tuning.py).
_parts = ['backbone', 'neck']
# Tier 2: as many seeds as time allows.
_tier_2 = dict(budgets=[100], max_seeds=3, tier=2)
_titles = dict(
    byol='BYOL',
    mocov2='MoCo v2',
    densecl='DenseCL',
    simclr='SimCLR',
    simsiam='SimSiam',
    barlowtwins='Barlow Twins',
    swav='SwAV',
)
_image_level = {
    name: dict(
        name=name,
        kind='image-level',
        title=f'{title} (mmselfsup)',
        config=f'../baselines/{name}_resnet18_1xb32-coslr-20e_custom.py',
    )
    for name, title in _titles.items()
}
starts = [dict(name='scratch', kind='scratch', title='from scratch')]
# The first is what `mmsoco pretrain` does; the other was its recipe before.
_recipes = [
    ('soco-init', 'SoCo', 'starts/soco.py', dict(trials=20)),
    (
        'soco',
        'SoCo, published initialization',
        'starts/soco_published-init.py',
        dict(tier=2, max_seeds=4, trials=18),
    ),
]
for _name, _title, _config, _options in _recipes:
    _few = dict(_options, budgets=[100], max_seeds=3)
    starts += [
        # What `mmsoco finetune` loads after a pretraining of this length.
        dict(
            name=f'{_name}-neck',
            kind='soco',
            title=f'{_title} (backbone and neck)',
            pretrained_by=_name,
            parts=_parts,
            **_options,
        ),
        dict(
            name=_name,
            kind='soco',
            title=f'{_title}, with its box head',
            config=_config,
            **_few,
        ),
        dict(
            name=f'{_name}-backbone',
            kind='soco',
            title=f'{_title}, its backbone alone',
            pretrained_by=_name,
            parts=['backbone'],
            **_few,
        ),
    ]
for _name in ('byol', 'mocov2', 'densecl'):
    starts.append(dict(**_image_level[_name], max_seeds=3))
# The better of two rates that were tried on the split of bins_tuning.py: scaled
# by the root of the batch, as SoCo's is. 4.8 at a batch of 4096 becomes 0.42 at
# 32 then, instead of 0.04.
_tuned = dict(
    name='byol-root',
    title='BYOL (mmselfsup), tuned rate',
    options={'optim_wrapper.optimizer.lr': 54.3},
    trials=2,
    max_seeds=3,
)
starts.append({**_image_level['byol'], **_tuned})
starts.append(
    dict(
        name='scratch-longer',
        kind='scratch',
        title='from scratch, for the time of pretraining too',
        time_of='soco-init',
        max_seeds=3,
    )
)
_longer = dict(
    name='byol-time',
    title="BYOL (mmselfsup), for SoCo's time",
    time_of='soco-init',
)
starts.append({**_image_level['byol'], **_longer, **_tier_2})
for _name, _title, _config, _options in (
    (
        'soco-all',
        "SoCo, roi_levels='all'",
        'starts/soco.py',
        {'model.roi_levels': 'all'},
    ),
    (
        'soco-random-boxes',
        'SoCo on random boxes',
        'starts/soco_random-boxes.py',
        {},
    ),
    ('byol-own', "BYOL by SoCo's recipe", 'starts/byol.py', {}),
):
    starts.append(
        dict(
            name=_name,
            kind='soco',
            title=_title,
            config=_config,
            options=_options,
            parts=_parts,
            **_tier_2,
        )
    )
for _name in ('simclr', 'simsiam', 'barlowtwins', 'swav'):
    starts.append(dict(**_image_level[_name], **_tier_2))
