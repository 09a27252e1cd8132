"""Mask R-CNN R50-FPN from ImageNet labels, LVIS v1, SoCo's recipe, 1x.

paper:     LVIS v1 with R50-FPN, "supervised"
hardware:  8 GPUs, 2 images each
duration:  not run by us
reported:  20.4 box AP, 19.4 mask AP
command:   tools/dist_train.sh
               configs/finetune/mask-rcnn_r50-fpn_supervised_8xb2-soco-180k_lvis-v1.py
               8
"""

_base_ = [
    'mask-rcnn_r50-fpn_scratch_8xb2-soco-180k_lvis-v1.py',
    '../_base_/supervised.py',
]

model = _base_.supervised
