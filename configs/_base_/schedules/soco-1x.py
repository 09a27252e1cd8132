"""SoCo's fine-tuning schedule "1x": 90k iterations of 16 images.

Against mmdet's 1x (12 epochs, 88k iterations): a quarter of the weight decay,
a longer warm-up, and decays after 60k and 80k iterations.
"""

train_cfg = dict(
    type='IterBasedTrainLoop', max_iters=90000, val_interval=10000
)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.02, momentum=0.9, weight_decay=2.5e-5),
)
auto_scale_lr = dict(enable=True, base_batch_size=16)
param_scheduler = [
    dict(
        type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=1000
    ),
    dict(
        type='MultiStepLR',
        by_epoch=False,
        begin=0,
        end=90000,
        milestones=[60000, 80000],
        gamma=0.1,
    ),
]
