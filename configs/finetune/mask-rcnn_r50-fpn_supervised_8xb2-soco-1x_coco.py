"""Mask R-CNN R50-FPN from ImageNet labels on COCO, by SoCo's recipe, 1x.

paper:     table 1, "supervised"
hardware:  8 GPUs, 2 images each
duration:  not run by us
reported:  38.9 box AP, 35.4 mask AP
command:   tools/dist_train.sh configs/finetune/
               mask-rcnn_r50-fpn_supervised_8xb2-soco-1x_coco.py 8
"""

_base_ = [
    'mask-rcnn_r50-fpn_scratch_8xb2-soco-1x_coco.py',
    '../_base_/supervised.py',
]

model = _base_.supervised
