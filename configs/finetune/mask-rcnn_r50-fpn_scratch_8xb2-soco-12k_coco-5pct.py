"""Mask R-CNN R50-FPN from scratch, 5 % of COCO.

paper:     mini-COCO, "random initialization"
hardware:  8 GPUs, 2 images each
duration:  not run by us
reported:  none here
command:   tools/dist_train.sh
               configs/finetune/mask-rcnn_r50-fpn_scratch_8xb2-soco-12k_coco-5pct.py
               8
"""

_base_ = 'mask-rcnn_r50-fpn_scratch_8xb2-soco-18k_coco-10pct.py'

max_iters = 12000
train_cfg = dict(max_iters=max_iters)
param_scheduler = _base_.param_scheduler
param_scheduler[1].update(end=max_iters, milestones=[8000, 10666])
train_dataloader = dict(
    dataset=dict(ann_file='annotations/mini/instances_train2017_5pct.json')
)
