"""SoCo, Mask R-CNN R50-FPN, 100 epochs of ImageNet-1k.

paper:     table 1, "SoCo, 100 epochs"; the published code adds cutout to the
           views of this recipe alone
hardware:  16 GPUs, 128 images each (another number keeps the recipe: the
           learning rate follows the batch)
duration:  not run by us
reported:  42.3 box AP, 37.6 mask AP (COCO, Mask R-CNN R50-FPN, 1x)
command:   python tools/proposals/generate.py data/imagenet/train
               data/imagenet/proposals.arrow
           GPUS=16 tools/slurm_train.sh PARTITION soco
               configs/soco/soco_mask-rcnn_r50-fpn_16xb128-coslr-100e_in1k.py
               --amp fp16
"""

_base_ = [
    '../_base_/models/mask-rcnn_r50-fpn.py',
    '../_base_/datasets/imagenet_soco_cutout.py',
    '../_base_/soco_pretraining.py',
]

model = dict(detector=_base_.model, pairs=_base_.pairs, **_base_.algorithm)
