"""Faster R-CNN R50-C4 from ImageNet labels, PASCAL VOC 07+12, 24k iterations.

paper:     PASCAL VOC 07+12 with R50-C4, "supervised"
hardware:  8 GPUs, 2 images each
duration:  not run by us
reported:  none here
command:   tools/dist_train.sh
               configs/finetune/faster-rcnn_r50-c4_supervised_8xb2-soco-24k_voc0712.py
               8
"""

_base_ = [
    'faster-rcnn_r50-c4_scratch_8xb2-soco-24k_voc0712.py',
    '../_base_/supervised.py',
]

model = _base_.supervised_c4
