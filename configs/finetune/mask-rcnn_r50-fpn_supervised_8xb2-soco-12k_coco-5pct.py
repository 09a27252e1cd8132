"""Mask R-CNN R50-FPN from ImageNet labels, 5 % of COCO.

paper:     mini-COCO, "supervised"
hardware:  8 GPUs, 2 images each
duration:  not run by us
reported:  none here
command:   tools/dist_train.sh
               configs/finetune/mask-rcnn_r50-fpn_supervised_8xb2-soco-12k_coco-5pct.py
               8
"""

_base_ = [
    'mask-rcnn_r50-fpn_scratch_8xb2-soco-12k_coco-5pct.py',
    '../_base_/supervised.py',
]

model = _base_.supervised
