"""Mask R-CNN R50-FPN from ImageNet labels, COCO, SoCo's recipe, 2x.

paper:     COCO 2x with R50-FPN, "supervised"
hardware:  8 GPUs, 2 images each
duration:  not run by us
reported:  none here
command:   tools/dist_train.sh
               configs/finetune/mask-rcnn_r50-fpn_supervised_8xb2-soco-2x_coco.py
               8
"""

_base_ = [
    'mask-rcnn_r50-fpn_scratch_8xb2-soco-2x_coco.py',
    '../_base_/supervised.py',
]

model = _base_.supervised
