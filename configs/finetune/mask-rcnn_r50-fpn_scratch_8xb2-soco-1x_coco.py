"""Mask R-CNN R50-FPN from scratch on COCO, by SoCo's recipe, 1x.

Nothing frozen, synchronized batch norm in backbone, FPN and heads, precise
batch norm before evaluation, box head of 4 convolutions and 1 linear layer.

paper:     table 1, "random initialization"
hardware:  8 GPUs, 2 images each (another number keeps the recipe: the
           learning rate follows the batch)
duration:  not run by us
reported:  31.0 box AP, 28.5 mask AP
command:   tools/dist_train.sh
               configs/finetune/mask-rcnn_r50-fpn_scratch_8xb2-soco-1x_coco.py
               8
"""

_base_ = [
    '../_base_/models/mask-rcnn_r50-fpn.py',
    '../_base_/datasets/coco_instance_ms.py',
    '../_base_/schedules/soco-1x.py',
    '../_base_/soco_finetuning_runtime.py',
]
