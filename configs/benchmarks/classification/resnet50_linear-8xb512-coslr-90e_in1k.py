"""Linear classification of ImageNet on the frozen backbone, by mmselfsup.

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
    'mmselfsup::benchmarks/classification/_base_/schedules/lars_coslr-90e.py',
    'mmcls::_base_/default_runtime.py',
]

model = dict(backbone=dict(frozen_stages=4))
train_dataloader = dict(batch_size=512)
default_hooks = dict(
    checkpoint=dict(interval=10, max_keep_ckpts=3),
    load_report=dict(type='LoadReportHook', _scope_='mmsoco'),
)
load_from = 'work_dirs/soco_backbone.pth'
