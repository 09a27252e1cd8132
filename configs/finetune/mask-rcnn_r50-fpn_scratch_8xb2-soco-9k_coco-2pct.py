"""Mask R-CNN R50-FPN from scratch, 2 % of COCO.

paper:     not in the paper
hardware:  8 GPUs, 2 images each
duration:  not run by us
reported:  none
command:   tools/dist_train.sh
               configs/finetune/mask-rcnn_r50-fpn_scratch_8xb2-soco-9k_coco-2pct.py 8
"""

_base_ = 'mask-rcnn_r50-fpn_scratch_8xb2-soco-18k_coco-10pct.py'

max_iters = 9000
train_cfg = dict(max_iters=max_iters)
param_scheduler = _base_.param_scheduler
param_scheduler[1].update(end=max_iters, milestones=[6000, 8000])
train_dataloader = dict(
    dataset=dict(ann_file='annotations/mini/instances_train2017_2pct.json')
)
