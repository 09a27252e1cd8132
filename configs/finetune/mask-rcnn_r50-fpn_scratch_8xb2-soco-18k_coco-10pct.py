"""Mask R-CNN R50-FPN from scratch, 10 % of COCO.

SoCo's recipe with a shorter schedule of our choice. The annotations are made
by tools/dataset_converters/mini_coco.py, the same images for everyone; the
smaller parts are subsets of the larger. Their configs inherit this
one: they evaluate at the end alone, too.

paper:     mini-COCO, "random initialization"
hardware:  8 GPUs, 2 images each
duration:  not run by us
reported:  none here
command:   tools/dist_train.sh
               configs/finetune/mask-rcnn_r50-fpn_scratch_8xb2-soco-18k_coco-10pct.py
               8
"""

_base_ = 'mask-rcnn_r50-fpn_scratch_8xb2-soco-1x_coco.py'

max_iters = 18000
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = _base_.param_scheduler
param_scheduler[1].update(end=max_iters, milestones=[12000, 16000])
default_hooks = dict(checkpoint=dict(interval=max_iters))
train_dataloader = dict(
    dataset=dict(ann_file='annotations/mini/instances_train2017_10pct.json')
)
