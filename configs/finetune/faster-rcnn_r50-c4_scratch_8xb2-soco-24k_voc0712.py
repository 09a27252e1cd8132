"""Faster R-CNN R50-C4 from scratch, PASCAL VOC 07+12, 24k iterations.

Trained on trainval of 2007 and 2012, evaluated on test of 2007. For the
annotations see data/README.md.

paper:     PASCAL VOC 07+12 with R50-C4, "random initialization"
hardware:  8 GPUs, 2 images each
duration:  not run by us
reported:  none here
command:   tools/dist_train.sh
               configs/finetune/faster-rcnn_r50-c4_scratch_8xb2-soco-24k_voc0712.py 8
"""

_base_ = [
    '../_base_/models/faster-rcnn_r50-c4_extra-norm.py',
    '../_base_/datasets/voc0712_ms.py',
    '../_base_/schedules/voc-24k.py',
    '../_base_/soco_finetuning_runtime.py',
]

model = dict(roi_head=dict(bbox_head=dict(num_classes=20)))
default_hooks = dict(checkpoint=dict(interval=2000))
