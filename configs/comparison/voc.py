"""PASCAL VOC at full size on GPUs: pretrain on 2012, evaluate on 2007.

    mmsoco convert voc data/VOCdevkit/VOC2012 \\
        --out data/VOCdevkit/voc2012_trainval.json --split trainval
    mmsoco convert voc data/VOCdevkit/VOC2007 \\
        --out data/VOCdevkit/voc2007_test.json --split test

hardware:  one GPU per cell; --shard spreads the cells over several
duration:  not run by us
command:   mmsoco compare configs/comparison/voc.py --shard 0/8
"""

_base_ = '_base_/starts_r50.py'

name = 'voc'
title = 'PASCAL VOC: 17,125 pictures, 1, 10 and 100 % of the labels (not run)'
data = dict(
    root='data/VOCdevkit',
    labels='voc2012_trainval.json',
    images='VOC2012/JPEGImages',
    val_labels='voc2007_test.json',
    val_images='VOC2007/JPEGImages',
    pictures='VOC2012/JPEGImages',
    source='PASCAL VOC 2007 and 2012; the pictures are under the terms of '
    'use of Flickr.',
)
detector = '_base_/faster-rcnn_r50-fpn_coco.py'
pretraining = dict(samples=3_425_000, batch_size=256, amp='bf16')
finetuning = dict(steps=12_000, amp='bf16')
budgets = [
    dict(labels=115, seeds=(0, 1, 2, 3, 4, 5), steps=3_000),
    dict(labels=1_154, seeds=(0, 1, 2, 3, 4, 5), steps=6_000),
    dict(labels=11_540, seeds=(0, 1, 2)),
]
