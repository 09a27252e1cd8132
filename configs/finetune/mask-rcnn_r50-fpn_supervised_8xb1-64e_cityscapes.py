"""Mask R-CNN R50-FPN from ImageNet labels, Cityscapes instances, 64 epochs.

paper:     not in the paper
hardware:  8 GPUs, 1 image each
duration:  not run by us
reported:  none
command:   tools/dist_train.sh
               configs/finetune/mask-rcnn_r50-fpn_supervised_8xb1-64e_cityscapes.py
               8
"""

_base_ = [
    'mask-rcnn_r50-fpn_scratch_8xb1-64e_cityscapes.py',
    '../_base_/supervised.py',
]

model = _base_.supervised
