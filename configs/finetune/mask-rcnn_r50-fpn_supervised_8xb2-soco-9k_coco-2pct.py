"""Mask R-CNN R50-FPN from ImageNet labels, 2 % of COCO.

paper:     not in the paper
hardware:  8 GPUs, 2 images each
duration:  not run by us
reported:  none
command:   tools/dist_train.sh
               configs/finetune/mask-rcnn_r50-fpn_supervised_8xb2-soco-9k_coco-2pct.py
               8
"""

_base_ = [
    'mask-rcnn_r50-fpn_scratch_8xb2-soco-9k_coco-2pct.py',
    '../_base_/supervised.py',
]

model = _base_.supervised
