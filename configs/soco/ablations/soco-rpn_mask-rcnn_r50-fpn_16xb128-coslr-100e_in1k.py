"""SoCo with the RPN as a pretext.

The RPN learns from all proposals of an image that views 1 and 2 show.

paper:     not in the paper
hardware:  16 GPUs, 128 images each (another number keeps the recipe: the
           learning rate follows the batch)
duration:  not run by us
reported:  none
command:   python tools/proposals/generate.py data/imagenet/train
               data/imagenet/proposals.arrow
           GPUS=16 tools/slurm_train.sh PARTITION soco-rpn
               configs/soco/ablations/soco-rpn_mask-rcnn_r50-fpn_16xb128-coslr-100e_in1k.py
               --amp fp16
"""

_base_ = '../soco_mask-rcnn_r50-fpn_16xb128-coslr-100e_in1k.py'

views = (1, 2)
model = dict(pretexts=[dict(type='RPNPretext', views=views)])
pipeline = _base_.train_dataloader.dataset.pipeline
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            *pipeline[:-1],
            dict(type='ShowProposals', views=views),
            pipeline[-1],
        ]
    )
)
