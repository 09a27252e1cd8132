"""SoCo on random boxes instead of selective search.

paper:     ablation of the proposals
hardware:  16 GPUs, 128 images each
duration:  not run by us
reported:  none here
command:   GPUS=16 tools/slurm_train.sh PARTITION soco configs/soco/ablations/
               soco_mask-rcnn_r50-fpn_16xb128-coslr-100e_in1k-random-boxes.py
               --amp fp16
"""

_base_ = '../soco_mask-rcnn_r50-fpn_16xb128-coslr-100e_in1k.py'

train_dataloader = dict(
    dataset=dict(
        proposals=None,
        pipeline=[
            dict(type='RandomProposals'),
            *_base_.train_dataloader.dataset.pipeline,
        ],
    )
)
