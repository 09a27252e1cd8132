"""Three paired seeds of scratch and SoCo on scenes, far too short to learn.

It shows that the harness works and what its report looks like; the numbers
mean nothing. Nothing is downloaded: the scenes are drawn.

hardware:  2 CPU cores
duration:  3 minutes
command:   mmsoco compare configs/comparison/smoke.py
"""

name = 'smoke'
title = 'Smoke test: scenes, a few steps, no meaning'
notes = 'The runs are far too short to learn: only the harness is tested.'
data = dict(
    scenes=dict(train=48, few=24, val=8, height=128, width=160),
    labels='annotations/train.json',
    val_labels='annotations/val.json',
    source='Scenes of `mmsoco.demo.make_scenes`.',
)
detector = '_base_/faster-rcnn_r18-fpn_128.py'
pretraining = dict(samples=48)
finetuning = dict(steps=10)
budgets = [dict(labels=16, seeds=(0, 1, 2))]
starts = [
    dict(name='scratch', kind='scratch', title='from scratch'),
    dict(
        name='soco',
        kind='soco',
        title='SoCo',
        config='starts/soco.py',
        options={'train_dataloader.num_workers': 1},
    ),
]
