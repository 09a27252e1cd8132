"""Mask R-CNN Swin-T-FPN from SoCo's weights, COCO, mmdet's recipe, 1x.

paper:     not in the paper
hardware:  8 GPUs, 2 images each
duration:  not run by us
reported:  none
command:   tools/dist_train.sh
               configs/finetune/mask-rcnn_swin-t-fpn_soco_8xb2-1x_coco.py 8
"""

_base_ = 'mask-rcnn_swin-t-fpn_scratch_8xb2-1x_coco.py'

load_from = 'work_dirs/soco_mask-rcnn_swin-t-fpn.pth'
