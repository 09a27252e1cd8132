"""SoCo*, Mask R-CNN R50-FPN, 400 epochs of ImageNet-1k.

paper:     table 1, "SoCo*"; a larger third view, and a fourth made of the
           second
hardware:  16 GPUs, 128 images each
duration:  not run by us
reported:  43.2 box AP, 38.4 mask AP (COCO, Mask R-CNN R50-FPN, 1x); LVIS v1:
           26.3, 25.0
command:   GPUS=16 tools/slurm_train.sh PARTITION soco
               configs/soco/soco-star_mask-rcnn_r50-fpn_16xb128-coslr-400e_in1k.py
               --amp fp16
"""

_base_ = [
    '../_base_/models/mask-rcnn_r50-fpn.py',
    '../_base_/datasets/imagenet_soco_star.py',
    '../_base_/soco_pretraining.py',
]

model = dict(detector=_base_.model, pairs=_base_.pairs, **_base_.algorithm)

train_cfg = dict(max_epochs=400)
