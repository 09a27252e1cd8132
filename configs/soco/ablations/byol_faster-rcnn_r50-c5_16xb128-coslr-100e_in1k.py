"""BYOL by SoCo's recipe: the whole image is the only proposal.

Views, schedule and optimizer are SoCo's; each view is embedded as a whole from
the last map. Nothing is drawn from selective search.

paper:     ablation of the alignment, the image-level baseline
hardware:  16 GPUs, 128 images each
duration:  not run by us
reported:  none here
command:   GPUS=16 tools/slurm_train.sh PARTITION byol configs/soco/ablations/
               byol_faster-rcnn_r50-c5_16xb128-coslr-100e_in1k.py
               --amp fp16
"""

_base_ = 'soco_faster-rcnn_r50-c5_16xb128-coslr-100e_in1k.py'

pipeline = _base_.train_dataloader.dataset.pipeline
pipeline[0].num_proposals = 1
# A jittered box would hide an edge of the image.
pipeline[0]['views'][0].jitter_prob = 0.0
train_dataloader = dict(dataset=dict(proposals=None, pipeline=pipeline))
