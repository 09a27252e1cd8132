"""SoCo, Mask R-CNN R50-C4, 100 epochs of ImageNet-1k.

paper:     the comparison with R50-C4 on COCO, "SoCo, 100 epochs"; two views,
           without box jitter, with cutout
hardware:  16 GPUs, 128 images each
duration:  not run by us
reported:  40.4 box AP, 34.9 mask AP (COCO, Mask R-CNN R50-C4, 1x)
command:   GPUS=16 tools/slurm_train.sh PARTITION soco
               configs/soco/soco_mask-rcnn_r50-c4_16xb128-coslr-100e_in1k.py
               --amp fp16
"""

_base_ = [
    '../_base_/models/mask-rcnn_r50-c4.py',
    '../_base_/datasets/imagenet_soco_c4.py',
    '../_base_/soco_pretraining.py',
]

model = dict(detector=_base_.model, pairs=_base_.pairs, **_base_.algorithm)
