"""FCOS R50-FPN from SoCo's weights, COCO, mmdet's recipe, 1x.

paper:     not in the paper
hardware:  8 GPUs, 2 images each
duration:  not run by us
reported:  none
command:   tools/dist_train.sh
               configs/finetune/fcos_r50-fpn_soco_8xb2-1x_coco.py 8
"""

_base_ = 'fcos_r50-fpn_scratch_8xb2-1x_coco.py'

load_from = 'work_dirs/soco_fcos_r50-fpn.pth'
