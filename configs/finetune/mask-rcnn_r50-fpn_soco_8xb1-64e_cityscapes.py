"""Mask R-CNN R50-FPN from SoCo's weights, Cityscapes instances, 64 epochs.

paper:     not in the paper
hardware:  8 GPUs, 1 image each
duration:  not run by us
reported:  none
command:   tools/dist_train.sh
               configs/finetune/mask-rcnn_r50-fpn_soco_8xb1-64e_cityscapes.py 8
"""

_base_ = 'mask-rcnn_r50-fpn_scratch_8xb1-64e_cityscapes.py'

load_from = 'work_dirs/soco_mask-rcnn_r50-fpn.pth'
