"""Mask R-CNN R50-C4 from scratch, COCO, SoCo's recipe, 2x.

As with FPN, and a norm after res5.

paper:     the comparison with R50-C4 on COCO, 2x, "random initialization"
hardware:  8 GPUs, 2 images each
duration:  not run by us
reported:  none here
command:   tools/dist_train.sh
               configs/finetune/mask-rcnn_r50-c4_scratch_8xb2-soco-2x_coco.py 8
"""

_base_ = [
    '../_base_/models/mask-rcnn_r50-c4_extra-norm.py',
    '../_base_/datasets/coco_instance_ms.py',
    '../_base_/schedules/soco-2x.py',
    '../_base_/soco_finetuning_runtime.py',
]
