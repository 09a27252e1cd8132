"""SoCo, Mask R-CNN R50-C4, 400 epochs of ImageNet-1k.

paper:     the comparison with R50-C4 on COCO, "SoCo, 400 epochs"
hardware:  16 GPUs, 128 images each
duration:  not run by us
reported:  40.9 box AP, 35.3 mask AP (COCO, Mask R-CNN R50-C4, 1x)
command:   GPUS=16 tools/slurm_train.sh PARTITION soco
               configs/soco/soco_mask-rcnn_r50-c4_16xb128-coslr-400e_in1k.py
               --amp fp16
"""

_base_ = 'soco_mask-rcnn_r50-c4_16xb128-coslr-100e_in1k.py'

train_cfg = dict(max_epochs=400)
