"""Mask R-CNN R50-FPN from SoCo's weights, LVIS v1, SoCo's recipe, 1x.

paper:     LVIS v1 with R50-FPN, "SoCo"
hardware:  8 GPUs, 2 images each
duration:  not run by us
reported:  26.3 box AP, 25.0 mask AP (SoCo*, 400 epochs)
command:   tools/dist_train.sh
               configs/finetune/mask-rcnn_r50-fpn_soco_8xb2-soco-180k_lvis-v1.py
               8
"""

_base_ = 'mask-rcnn_r50-fpn_scratch_8xb2-soco-180k_lvis-v1.py'

load_from = 'work_dirs/soco-star_mask-rcnn_r50-fpn.pth'
