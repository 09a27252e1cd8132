"""Mask R-CNN R50-FPN from scratch, Cityscapes instances, 64 epochs.

mmdet's recipe, which starts from COCO's detector there; these three do not.
CityScapesMetric needs the package cityscapesScripts.

paper:     not in the paper
hardware:  8 GPUs, 1 image each
duration:  not run by us
reported:  none
command:   tools/dist_train.sh
               configs/finetune/mask-rcnn_r50-fpn_scratch_8xb1-64e_cityscapes.py
               8
"""

_base_ = [
    '../_base_/models/mask-rcnn_r50-fpn.py',
    'mmdet::_base_/datasets/cityscapes_instance.py',
    'mmdet::_base_/schedules/schedule_1x.py',
    '../_base_/finetuning_runtime.py',
]

num_classes = 8
model = dict(
    roi_head=dict(
        bbox_head=dict(num_classes=num_classes),
        mask_head=dict(num_classes=num_classes),
    )
)

# mmdet's schedule: 8 epochs of a data set that holds each image 8 times, at
# the rate for 8 images.
train_cfg = dict(max_epochs=8)
optim_wrapper = dict(optimizer=dict(lr=0.01))
param_scheduler = _base_.param_scheduler
param_scheduler[1].update(end=8, milestones=[7])
auto_scale_lr = dict(enable=True, base_batch_size=8)
