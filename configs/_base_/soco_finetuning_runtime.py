"""What SoCo's fine-tuning recipe adds: precise batch norm, by iterations."""

_base_ = 'finetuning_runtime.py'

default_hooks = dict(
    checkpoint=dict(by_epoch=False, interval=10000),
    precise_bn=dict(type='PreciseBNHook', num_iters=200),
)
log_processor = dict(by_epoch=False)
