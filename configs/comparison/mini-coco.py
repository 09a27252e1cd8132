"""COCO at full size on GPUs: 118,287 pictures, 1 to 10 % of the labels.

hardware:  one GPU per cell; --shard spreads the cells over several
duration:  not run by us
command:   mmsoco compare configs/comparison/mini-coco.py --shard 0/8
"""

_base_ = '_base_/starts_r50.py'

name = 'mini-coco'
title = 'COCO: 118,287 pictures, 1, 2, 5 and 10 % of the labels (not run)'
data = dict(
    root='data/coco',
    labels='annotations/instances_train2017.json',
    images='train2017',
    val_labels='annotations/instances_val2017.json',
    val_images='val2017',
    pictures='train2017',
    source='COCO 2017; annotations CC BY 4.0, the pictures are under the '
    'terms of use of Flickr.',
)
detector = '_base_/faster-rcnn_r50-fpn_coco.py'
pretraining = dict(samples=11_828_700, batch_size=256, amp='bf16')
# The schedules of configs/finetune/*_coco-Npct.py.
finetuning = dict(steps=18_000, amp='bf16')
budgets = [
    dict(labels=1_183, seeds=(0, 1, 2, 3, 4, 5), steps=6_000),
    dict(labels=2_366, seeds=(0, 1, 2), steps=9_000),
    dict(labels=5_914, seeds=(0, 1, 2), steps=12_000),
    dict(labels=11_829, seeds=(0, 1, 2)),
]
