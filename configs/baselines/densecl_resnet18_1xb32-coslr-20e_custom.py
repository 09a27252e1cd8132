"""DenseCL of mmselfsup 1.0.0 on a folder of pictures, for a small backbone.

The queue holds 512 keys: a multiple of the batch, and not more than a
quarter of 2,000 pictures. The loss of the dense part sets in after the same
small part of the run as published. Views and optimizer are those of MoCo v2.

paper:     Wang et al., arXiv 2011.09157
hardware:  2 CPU cores
duration:  about as long as SoCo's for as many pictures
reported:  none at this size
command:   python tools/train.py
               configs/baselines/densecl_resnet18_1xb32-coslr-20e_custom.py
               --cfg-options train_dataloader.dataset.image_root=IMAGES
"""

_base_ = './mocov2_resnet18_1xb32-coslr-20e_custom.py'

model = dict(
    type='DenseCL',
    loss_lambda=0.5,
    neck=dict(
        _delete_=True,
        type='DenseCLNeck',
        in_channels=_base_.width,
        hid_channels=_base_.width,
        out_channels=128,
        num_grid=None,
    ),
)
# Published: 1,000 of a million steps.
custom_hooks = [dict(type='mmselfsup.DenseCLHook', start_iters=2)]
