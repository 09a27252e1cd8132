"""Mask R-CNN R50-C4 from SoCo's weights, COCO, SoCo's recipe, 2x.

paper:     the comparison with R50-C4 on COCO, 2x, "SoCo"
hardware:  8 GPUs, 2 images each
duration:  not run by us
reported:  none here
command:   tools/dist_train.sh
               configs/finetune/mask-rcnn_r50-c4_soco_8xb2-soco-2x_coco.py 8
"""

_base_ = 'mask-rcnn_r50-c4_scratch_8xb2-soco-2x_coco.py'

load_from = 'work_dirs/soco_mask-rcnn_r50-c4.pth'
