"""Mask R-CNN R50-FPN from scratch, COCO, SoCo's recipe, 2x.

Nothing frozen, synchronized batch norm in backbone, FPN and heads, precise
batch norm before evaluation, box head of 4 convolutions and 1 linear layer.

paper:     COCO 2x with R50-FPN, "random initialization"
hardware:  8 GPUs, 2 images each
duration:  not run by us
reported:  none here
command:   tools/dist_train.sh
               configs/finetune/mask-rcnn_r50-fpn_scratch_8xb2-soco-2x_coco.py 8
"""

_base_ = [
    '../_base_/models/mask-rcnn_r50-fpn.py',
    '../_base_/datasets/coco_instance_ms.py',
    '../_base_/schedules/soco-2x.py',
    '../_base_/soco_finetuning_runtime.py',
]
