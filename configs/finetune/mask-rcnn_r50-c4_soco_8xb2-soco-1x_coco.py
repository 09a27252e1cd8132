"""Mask R-CNN R50-C4 from SoCo's weights, COCO, SoCo's recipe, 1x.

paper:     the comparison with R50-C4 on COCO, 1x, "SoCo"
hardware:  8 GPUs, 2 images each
duration:  not run by us
reported:  40.4 box AP, 34.9 mask AP from 100 epochs of pretraining; 40.9, 35.3
           from 400
command:   tools/dist_train.sh
               configs/finetune/mask-rcnn_r50-c4_soco_8xb2-soco-1x_coco.py 8
"""

_base_ = 'mask-rcnn_r50-c4_scratch_8xb2-soco-1x_coco.py'

load_from = 'work_dirs/soco_mask-rcnn_r50-c4.pth'
