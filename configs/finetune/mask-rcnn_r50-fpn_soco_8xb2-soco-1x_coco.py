"""Mask R-CNN R50-FPN from SoCo's weights on COCO, by SoCo's recipe, 1x.

paper:     table 1, "SoCo"
hardware:  8 GPUs, 2 images each
duration:  not run by us
reported:  42.3 box AP, 37.6 mask AP from 100 epochs of pretraining; 43.0,
           38.2 from 400; SoCo*: 43.2, 38.4
command:   python tools/model_converters/export_detector.py
               work_dirs/PRETRAINING/epoch_100.pth
               work_dirs/soco_mask-rcnn_r50-fpn.pth
           tools/dist_train.sh
               configs/finetune/mask-rcnn_r50-fpn_soco_8xb2-soco-1x_coco.py 8
"""

_base_ = 'mask-rcnn_r50-fpn_scratch_8xb2-soco-1x_coco.py'

load_from = 'work_dirs/soco_mask-rcnn_r50-fpn.pth'
