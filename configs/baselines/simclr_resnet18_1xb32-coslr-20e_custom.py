"""SimCLR of mmselfsup 1.0.0 on a folder of pictures, for a small backbone.

Its negatives are the other pictures of the batch, so that it suffers most
from a small one.

paper:     Chen et al., arXiv 2002.05709
hardware:  2 CPU cores
duration:  about as long as SoCo's for as many pictures
reported:  none at this size
command:   python tools/train.py
               configs/baselines/simclr_resnet18_1xb32-coslr-20e_custom.py
               --cfg-options train_dataloader.dataset.image_root=IMAGES
"""

_base_ = '_base_/image_level.py'

model = dict(
    type='SimCLR',
    neck=dict(
        type='NonLinearNeck',
        in_channels=_base_.width,
        hid_channels=_base_.width,
        out_channels=128,
        num_layers=2,
        with_avg_pool=True,
    ),
    head=dict(
        type='ContrastiveHead',
        loss=dict(type='mmcls.CrossEntropyLoss'),
        temperature=0.1,
    ),
)
train_dataloader = dict(dataset=dict(pipeline=_base_.simclr_pipeline))
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='LARS', lr=0.3, momentum=0.9, weight_decay=1e-6),
)
auto_scale_lr = dict(enable=True, base_batch_size=256)
param_scheduler = dict(warmup_share=0.05)
