"""Mask R-CNN R50-FPN from scratch, LVIS v1, SoCo's recipe, 1x.

The 1x of LVIS is 180k iterations, as long as the 2x of COCO; repeat-factor
sampling at 0.001.

paper:     LVIS v1 with R50-FPN, "random initialization"
hardware:  8 GPUs, 2 images each
duration:  not run by us
reported:  none here
command:   tools/dist_train.sh
               configs/finetune/mask-rcnn_r50-fpn_scratch_8xb2-soco-180k_lvis-v1.py
               8
"""

_base_ = [
    '../_base_/models/mask-rcnn_r50-fpn.py',
    '../_base_/datasets/lvis_instance_ms.py',
    '../_base_/schedules/soco-2x.py',
    '../_base_/soco_finetuning_runtime.py',
]

num_classes = 1203
model = dict(
    roi_head=dict(
        bbox_head=dict(num_classes=num_classes),
        mask_head=dict(num_classes=num_classes),
    ),
    # LVIS counts up to 300 objects of an image.
    test_cfg=dict(rcnn=dict(score_thr=0.0001, max_per_img=300)),
)
