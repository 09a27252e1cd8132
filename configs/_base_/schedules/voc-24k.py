"""The usual schedule of PASCAL VOC 07+12 with C4: 24k iterations of 16."""

_base_ = 'soco-1x.py'

max_iters = 24000
train_cfg = dict(max_iters=max_iters, val_interval=2000)
optim_wrapper = dict(optimizer=dict(weight_decay=1e-4))
param_scheduler = _base_.param_scheduler
param_scheduler[0].end = 100
param_scheduler[1].update(end=max_iters, milestones=[18000, 22000])
