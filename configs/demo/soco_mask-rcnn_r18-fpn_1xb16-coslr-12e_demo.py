"""SoCo on the demo's scenes, at views of half the usual size.

hardware:  2 CPU cores
duration:  about 3 minutes
command:   python tools/train.py
               configs/demo/soco_mask-rcnn_r18-fpn_1xb16-coslr-12e_demo.py
"""

_base_ = [
    'mask-rcnn_r18-fpn.py',
    '../_base_/datasets/custom_soco.py',
    '../_base_/soco_pretraining.py',
]

model = dict(detector=_base_.model, pairs=_base_.pairs, **_base_.algorithm)
model.update(
    projector=dict(_base_.soco.projector, hid_channels=512, out_channels=128),
    predictor=dict(
        _base_.soco.predictor,
        hid_channels=512,
        in_channels=128,
        out_channels=128,
    ),
    roi_levels='assigned',
)

draw_views = dict(
    views=[
        dict(type='WholeImageView', size=128, jitter_prob=0.5),
        dict(type='RandomCropView', size=128, area=(0.5, 1.0)),
        dict(type='RandomCropView', size=64, area=(0.5, 1.0)),
    ],
)
train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    pin_memory=False,
    dataset=dict(
        image_root='data/demo/train',
        proposals='data/demo/proposals.arrow',
        pipeline=[
            dict(_base_.draw_views, **draw_views),
            dict(_base_.photometric, on_device=False),
            _base_.pack_views,
        ],
    ),
)

# A short run: the whole rate in spite of the small batch, and a target that
# follows faster.
auto_scale_lr = dict(enable=False)
train_cfg = dict(max_epochs=12)
param_scheduler = dict(warmup=1)
default_hooks = dict(
    target_update=dict(base_momentum=0.95),
    checkpoint=dict(interval=4, max_keep_ckpts=2),
    collapse=dict(interval=15),
    logger=dict(interval=5),
)
log_processor = dict(window_size=5)
visualizer = dict(vis_backends=[dict(type='LocalVisBackend')])
