"""Mask R-CNN R50-FPN from scratch, COCO, mmdet's plain recipe, 2x.

The detector is that of SoCo's recipe, so that all pretrained parts have a
place; schedule and data are mmdet's. Part of published gains is the recipe:
this one shows how much.

paper:     not in the paper
hardware:  8 GPUs, 2 images each
duration:  not run by us
reported:  none
command:   tools/dist_train.sh
               configs/finetune/mask-rcnn_r50-fpn_scratch_8xb2-2x_coco.py 8
"""

_base_ = [
    '../_base_/models/mask-rcnn_r50-fpn.py',
    'mmdet::_base_/datasets/coco_instance.py',
    'mmdet::_base_/schedules/schedule_2x.py',
    '../_base_/finetuning_runtime.py',
]

auto_scale_lr = dict(enable=True)
