"""FCOS R50-FPN from scratch, COCO, mmdet's recipe, 1x.

paper:     not in the paper
hardware:  8 GPUs, 2 images each
duration:  not run by us
reported:  none
command:   tools/dist_train.sh
               configs/finetune/fcos_r50-fpn_scratch_8xb2-1x_coco.py 8
"""

_base_ = [
    '../_base_/models/fcos_r50-fpn.py',
    'mmdet::_base_/datasets/coco_detection.py',
    'mmdet::_base_/schedules/schedule_1x.py',
    '../_base_/finetuning_runtime.py',
]

auto_scale_lr = dict(enable=True)

optim_wrapper = dict(
    optimizer=dict(lr=0.01),
    paramwise_cfg=dict(bias_lr_mult=2.0, bias_decay_mult=0.0),
    clip_grad=dict(max_norm=35, norm_type=2),
)
