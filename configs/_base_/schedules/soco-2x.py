"""SoCo's fine-tuning schedule "2x": twice the iterations of "1x"."""

_base_ = 'soco-1x.py'

max_iters = 2 * _base_.train_cfg.max_iters
train_cfg = dict(max_iters=max_iters)
param_scheduler = _base_.param_scheduler
param_scheduler[1].update(end=max_iters, milestones=[120000, 160000])
