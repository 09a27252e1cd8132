"""SoCo, Mask R-CNN R50-FPN, 530 epochs of COCO train and unlabeled.

As many steps as 100 epochs of ImageNet-1k.

paper:     pretraining on COCO train2017 and unlabeled2017, 530 epochs
hardware:  16 GPUs, 128 images each
duration:  not run by us
reported:  none here
command:   GPUS=16 tools/slurm_train.sh PARTITION soco
               configs/soco/soco_mask-rcnn_r50-fpn_16xb128-coslr-530e_coco.py
               --amp fp16
"""

_base_ = 'soco_mask-rcnn_r50-fpn_16xb128-coslr-100e_coco.py'

train_cfg = dict(max_epochs=530)
