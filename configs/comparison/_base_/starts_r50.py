"""The starts of the plans for GPUs: R50, views of 224, published widths."""

_view_size = 224
_soco_config = '../soco/soco_mask-rcnn_r50-fpn_16xb128-coslr-100e_in1k.py'
# A warm-up as long a part of the run as the 10 of 100 epochs.
_warmup = {'param_scheduler.warmup': None, 'param_scheduler.warmup_share': 0.1}
_on_gpu = {
    'train_dataloader.num_workers': 12,
    'train_dataloader.pin_memory': True,
    'train_dataloader.dataset.pipeline.0.views.0.size': _view_size,
    'train_dataloader.dataset.pipeline.0.views.1.size': _view_size,
    'train_dataloader.dataset.pipeline.1.on_device': True,
}
# At most a quarter of the smaller set's pictures.
_queue = {'model.queue_len': 4096, 'model.neck.hid_channels': 2048}

starts = [
    dict(name='scratch', kind='scratch', title='from scratch'),
    dict(
        name='soco',
        kind='soco',
        title='SoCo',
        config=_soco_config,
        options=_warmup,
    ),
    dict(
        name='soco-backbone',
        kind='soco',
        title="SoCo's backbone alone",
        pretrained_by='soco',
        parts=['backbone'],
    ),
    dict(
        name='byol',
        kind='image-level',
        title='BYOL (mmselfsup)',
        config='../baselines/byol_resnet18_1xb32-coslr-20e_custom.py',
        options={
            **_on_gpu,
            'model.neck.hid_channels': 4096,
            'model.neck.out_channels': 256,
            'model.head.predictor.in_channels': 256,
            'model.head.predictor.hid_channels': 4096,
            'model.head.predictor.out_channels': 256,
        },
    ),
    dict(
        name='mocov2',
        kind='image-level',
        title='MoCo v2 (mmselfsup)',
        config='../baselines/mocov2_resnet18_1xb32-coslr-20e_custom.py',
        options={**_on_gpu, **_queue},
    ),
    dict(
        name='densecl',
        kind='image-level',
        title='DenseCL (mmselfsup)',
        config='../baselines/densecl_resnet18_1xb32-coslr-20e_custom.py',
        options={**_on_gpu, **_queue, 'custom_hooks.0.start_iters': 100},
    ),
    dict(
        name='scratch-longer',
        kind='scratch',
        title='from scratch with equal total time',
        time_of='soco',
        max_seeds=3,
        tier=2,
    ),
]
