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
    '../../_base_/models/soco.py',
    '../../_base_/datasets/imagenet_soco_random-boxes.py',
    '../../_base_/schedules/soco_lars-coslr-100e.py',
    '../../_base_/pretraining_runtime.py',
]

model = dict(
    _delete_=True,
    detector=_base_.model,
    pairs=_base_.pairs,
    **_base_.soco,
)
