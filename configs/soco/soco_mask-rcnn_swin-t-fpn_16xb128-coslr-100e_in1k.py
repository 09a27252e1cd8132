"""SoCo, Mask R-CNN Swin-T-FPN, 100 epochs of ImageNet-1k.

The optimizer and its rate are those of ResNet-50, not tuned.

paper:     not in the paper
hardware:  16 GPUs, 128 images each
duration:  not run by us
reported:  none
command:   GPUS=16 tools/slurm_train.sh PARTITION soco
               configs/soco/soco_mask-rcnn_swin-t-fpn_16xb128-coslr-100e_in1k.py
               --amp fp16
"""

_base_ = [
    '../_base_/models/mask-rcnn_swin-t-fpn.py',
    '../_base_/datasets/imagenet_soco_cutout.py',
    '../_base_/soco_pretraining.py',
]

model = dict(detector=_base_.model, pairs=_base_.pairs, **_base_.algorithm)
