"""Mask R-CNN R50-C4 from ImageNet labels, COCO, mmdet's plain recipe, 1x.

paper:     not in the paper
hardware:  8 GPUs, 2 images each
duration:  not run by us
reported:  none
command:   tools/dist_train.sh
               configs/finetune/mask-rcnn_r50-c4_supervised_8xb2-1x_coco.py 8
"""

_base_ = [
    'mask-rcnn_r50-c4_scratch_8xb2-1x_coco.py',
    '../_base_/supervised.py',
]

model = _base_.supervised_c4
