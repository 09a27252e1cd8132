"""SoCo, Mask R-CNN R50-FPN, 100 epochs of COCO train and unlabeled.

paper:     pretraining on COCO train2017 and unlabeled2017, 100 epochs
hardware:  16 GPUs, 128 images each
duration:  not run by us
reported:  none here
command:   mmsoco propose data/coco/train2017
               --out data/coco/proposals_train2017.arrow
           mmsoco propose data/coco/unlabeled2017
               --out data/coco/proposals_unlabeled2017.arrow
           GPUS=16 tools/slurm_train.sh PARTITION soco
               configs/soco/soco_mask-rcnn_r50-fpn_16xb128-coslr-100e_coco.py
               --amp fp16
"""

_base_ = [
    '../_base_/models/mask-rcnn_r50-fpn.py',
    '../_base_/datasets/coco_soco.py',
    '../_base_/soco_pretraining.py',
]

model = dict(detector=_base_.model, pairs=_base_.pairs, **_base_.algorithm)
