"""SoCo on random boxes instead of selective search.

paper:     ablation of the proposals
hardware:  16 GPUs, 128 images each
duration:  not run by us
reported:  none here
command:   GPUS=16 tools/slurm_train.sh PARTITION soco configs/soco/ablations/
               soco-random-boxes_mask-rcnn_r50-fpn_16xb128-coslr-100e_in1k.py
               --amp fp16
"""

_base_ = [
    '../../_base_/models/mask-rcnn_r50-fpn.py',
    '../../_base_/datasets/imagenet_soco_random-boxes.py',
    '../../_base_/soco_pretraining.py',
]

model = dict(detector=_base_.model, pairs=_base_.pairs, **_base_.algorithm)
