"""Linear classification of ImageNet on the frozen backbone.

Model and data of mmcls, schedule and optimizer as in mmselfsup's benchmark.
Only weights of detectors with FPN hold a whole ResNet-50: in those with C4 the
last stage is a part of the head.

paper:     not in the paper
hardware:  8 GPUs, 512 images each
duration:  not run by us
reported:  none
command:   python tools/model_converters/export_detector.py
               work_dirs/PRETRAINING/epoch_100.pth
               work_dirs/soco_backbone.pth --parts backbone
           tools/dist_train.sh configs/benchmarks/classification/
               resnet50_linear-8xb512-coslr-90e_in1k.py 8
"""

_base_ = [
    'mmcls::_base_/models/resnet50.py',
    'mmcls::_base_/datasets/imagenet_bs32_pil_resize.py',
    'mmcls::_base_/default_runtime.py',
]

model = dict(backbone=dict(frozen_stages=4))
train_dataloader = dict(batch_size=512)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(
        type='mmselfsup.LARS', lr=1.6, momentum=0.9, weight_decay=0.0
    ),
)
param_scheduler = dict(type='CosineAnnealingLR', T_max=90, end=90)
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=90)
val_cfg = dict()
test_cfg = dict()
default_hooks = dict(
    checkpoint=dict(interval=10, max_keep_ckpts=3),
    load_report=dict(type='LoadReportHook', _scope_='mmsoco'),
)
load_from = 'work_dirs/soco_backbone.pth'
