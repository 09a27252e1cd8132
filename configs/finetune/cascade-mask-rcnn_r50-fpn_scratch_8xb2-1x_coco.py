"""Cascade Mask R-CNN R50-FPN from scratch, COCO, mmdet's recipe, 1x.

paper:     not in the paper
hardware:  8 GPUs, 2 images each
duration:  not run by us
reported:  none
command:   tools/dist_train.sh
               configs/finetune/cascade-mask-rcnn_r50-fpn_scratch_8xb2-1x_coco.py
               8
"""

_base_ = [
    '../_base_/models/cascade-mask-rcnn_r50-fpn.py',
    'mmdet::_base_/datasets/coco_instance.py',
    'mmdet::_base_/schedules/schedule_1x.py',
    '../_base_/finetuning_runtime.py',
]

auto_scale_lr = dict(enable=True)
