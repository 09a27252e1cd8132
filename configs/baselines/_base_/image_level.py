"""What mmselfsup's methods share here: backbone, pictures, colors, run.

The backbone is that of the demo's detector, by its own dict. Pictures,
decoder, views, colors, preprocessor and runner are mmsoco's, the same as
SoCo's. Each method has its own class, neck, head, crops, colors and optimizer.
Learning rates are the published ones at the published batch size
(`base_batch_size`) and are scaled to the batch size of the run.
"""

_base_ = [
    '../../demo/mask-rcnn_r18-fpn.py',
    '../../_base_/datasets/custom_soco.py',
    '../../_base_/default_runtime.py',
]

# Channels of the backbone's last map. The published necks are made for 2048;
# here they are narrower in proportion.
width = _base_.model.neck.in_channels[-1]
model = dict(
    _delete_=True,
    _scope_='mmselfsup',
    data_preprocessor=dict(type='mmdet.mmsoco.SoCoDataPreprocessor'),
    backbone=dict(_base_.model.backbone, out_indices=(3,), _scope_='mmdet'),
)

batch_size = 32
view_size = 128
train_dataloader = dict(
    batch_size=batch_size,
    num_workers=2,
    pin_memory=False,
    dataset=dict(proposals=None),
)
photometric = dict(on_device=False)

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=20)
# A cosine after a warm-up that is as long a part of the run as published.
param_scheduler = dict(
    type='WarmupCosineLR', warmup_share=0.0, convert_to_iter_based=True
)
default_hooks = dict(
    checkpoint=dict(max_keep_ckpts=2), logger=dict(interval=10)
)
visualizer = dict(vis_backends=[dict(type='LocalVisBackend')])


def _two_crops(area, **colors):
    crop = dict(type='RandomCropView', size=view_size, area=area)
    return [
        dict(type='DrawViews', views=[crop] * 2),
        dict(_base_.photometric, on_device=False, **colors),
        _base_.pack_views,
    ]


# Barlow Twins shares those of BYOL, DenseCL and SimSiam those of MoCo v2, and
# SwAV the colors of SimCLR.
byol_pipeline = _two_crops(
    area=(0.08, 1.0), blur_prob=(1.0, 0.1), solarize_prob=(0.0, 0.2)
)
mocov2_pipeline = _two_crops(
    area=(0.2, 1.0), saturation=0.4, blur_prob=0.5, solarize_prob=0.0
)
simclr_pipeline = _two_crops(
    area=(0.08, 1.0),
    brightness=0.8,
    contrast=0.8,
    saturation=0.8,
    hue=0.2,
    blur_prob=0.5,
    solarize_prob=0.0,
)
