"""SoCo without FPN and box head: objects are pooled from the last map.

The export has the backbone alone, which goes into any detector of a ResNet-50.

paper:     ablation of the architecture
hardware:  16 GPUs, 128 images each
duration:  not run by us
reported:  none here
command:   GPUS=16 tools/slurm_train.sh PARTITION soco configs/soco/ablations/
               soco_faster-rcnn_r50-c5_16xb128-coslr-100e_in1k.py
               --amp fp16
"""

_base_ = [
    '../../_base_/models/faster-rcnn_r50-c5.py',
    '../../_base_/datasets/imagenet_soco_cutout.py',
    '../../_base_/soco_pretraining.py',
]

model = dict(detector=_base_.model, pairs=_base_.pairs, **_base_.algorithm)
