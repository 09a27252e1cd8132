"""Mask R-CNN R50-FPN from SoCo's weights, 5 % of COCO.

paper:     mini-COCO, "SoCo"
hardware:  8 GPUs, 2 images each
duration:  not run by us
reported:  none here
command:   tools/dist_train.sh
               configs/finetune/mask-rcnn_r50-fpn_soco_8xb2-soco-12k_coco-5pct.py 8
"""

_base_ = 'mask-rcnn_r50-fpn_scratch_8xb2-soco-12k_coco-5pct.py'

load_from = 'work_dirs/soco_mask-rcnn_r50-fpn.pth'
