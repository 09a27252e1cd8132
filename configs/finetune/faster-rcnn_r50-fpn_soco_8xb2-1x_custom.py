"""Faster R-CNN R50-FPN from SoCo's weights on your own COCO-format boxes.

paper:     not in the paper
hardware:  any: the learning rate follows the batch
duration:  12 epochs
reported:  none
command:   python tools/train.py
               configs/finetune/faster-rcnn_r50-fpn_soco_8xb2-1x_custom.py
"""

_base_ = 'faster-rcnn_r50-fpn_scratch_8xb2-1x_custom.py'

load_from = 'work_dirs/soco_mask-rcnn_r50-fpn.pth'
