"""Mask R-CNN ConvNeXt-T-FPN from scratch, COCO, mmdet's recipe, 1x.

paper:     not in the paper
hardware:  8 GPUs, 2 images each
duration:  not run by us
reported:  none
command:   tools/dist_train.sh
               configs/finetune/mask-rcnn_convnext-t-fpn_scratch_8xb2-1x_coco.py
               8
"""

_base_ = [
    '../_base_/models/mask-rcnn_convnext-t-fpn.py',
    'mmdet::_base_/datasets/coco_instance.py',
    'mmdet::_base_/schedules/schedule_1x.py',
    '../_base_/finetuning_runtime.py',
]

auto_scale_lr = dict(enable=True)

# mmdet's optimizer for this backbone, without its decay by layers
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=1e-4, weight_decay=0.05),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
)
