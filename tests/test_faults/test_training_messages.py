"""What bad settings of a training get: a message with the key, at once."""

import pytest
from small_runs import small_runner

LOADER = 'train_dataloader'


def nested(key, value):
    for part in reversed(key.split('.')):
        value = {part: value}
    return value


COUNTS = [
    'train_dataloader.batch_size',
    'train_cfg.max_epochs',
    'optim_wrapper.accumulative_counts',
    'default_hooks.checkpoint.interval',
    'default_hooks.checkpoint.max_keep_ckpts',
    'default_hooks.logger.interval',
    'auto_scale_lr.base_batch_size',
]
RATES = ['optim_wrapper.optimizer.lr', 'optim_wrapper.optimizer.weight_decay']
TYPES = {'default_hooks.logger.interval': dict(type='LoggerHook')}


@pytest.mark.parametrize(
    ('key', 'value'),
    [
        *((key, value) for key in COUNTS for value in (0, -2, 1.5, 'x')),
        *(
            (key, value)
            for key in RATES
            for value in (-1, 'x', float('nan'), float('inf'))
        ),
        ('train_dataloader.num_workers', -1),
        ('train_dataloader.num_workers', 1.0),
        ('train_dataloader.batch_size', 2.0),
        ('train_dataloader.batch_size', None),
        ('train_dataloader.prefetch_factor', 0),
        ('train_dataloader.prefetch_factor', True),
        ('train_dataloader.num_batch_per_epoch', 0),
        ('train_dataloader.timeout', -1),
        ('train_dataloader.timeout', 'x'),
        ('train_dataloader.sampler.seed', -3),
        ('train_dataloader.in_order', 'x'),
        ('train_dataloader.multiprocessing_context', 'frok'),
        ('val_dataloader.prefetch_factor', 0),
        ('randomness.seed', -1),
        ('env_cfg.resource_limit', 0),
        ('log_level', 'info'),
        ('log_processor.by_epoch', 'x'),
        ('sync_bn', 'x'),
        ('param_scheduler.convert_to_iter_based', 'x'),
        ('optim_wrapper.clip_grad.max_norm', -1),
        ('optim_wrapper.paramwise_cfg.bias_lr_mult', 'x'),
        ('optim_wrapper.paramwise_cfg.custom_keys.layers.decay_mult', -1),
        ('optim_wrapper.optimizer.lr', 0),
        ('optim_wrapper.optimizer.differentiable', True),
        # NaN in any setting.
        ('optim_wrapper.optimizer.dampening', float('nan')),
        ('param_scheduler.eta_min', float('nan')),
        ('model.loss_weight', float('nan')),
    ],
)
def test_settings_out_of_range(tmp_path, key, value):
    settings = nested(key, value)
    if key in TYPES:
        hook, name = key.split('.')[1:]
        settings['default_hooks'][hook].update(TYPES[key])
    name = key.rpartition('.')[2]
    with pytest.raises(
        (ValueError, AssertionError), match=f'{name}.*got {value!r}'
    ) as caught:
        small_runner(tmp_path, **settings).train()
    assert isinstance(caught.value, ValueError)
    assert not list(tmp_path.glob('*.pth'))


@pytest.mark.parametrize(
    ('name', 'value', 'without'),
    [
        ('persistent_workers', True, 'False'),
        ('prefetch_factor', 2, 'None'),
        ('timeout', 5, '0'),
        ('multiprocessing_context', 'fork', 'None'),
    ],
)
def test_settings_of_workers_that_are_not_there(
    tmp_path, name, value, without
):
    settings = dict(train_dataloader={name: value})
    with pytest.raises(
        ValueError,
        match=f'{name}={value!r} needs .*num_workers is 0: set .*{name}='
        f'{without}, or train_dataloader.num_workers to 1',
    ):
        small_runner(tmp_path, **settings)
    settings['train_dataloader'][name] = eval(without)
    small_runner(tmp_path, **settings).train()
    assert (tmp_path / 'epoch_3.pth').is_file()


@pytest.mark.parametrize('epochs', [1, 2])
def test_the_advice_for_a_short_run_works(tmp_path, epochs):
    schedule = dict(
        type='WarmupCosineLR', warmup=10, convert_to_iter_based=True
    )
    settings = dict(train_cfg=dict(max_epochs=epochs))
    with pytest.raises(
        ValueError, match=f'10 epochs leaves.*warmup={epochs / 10}, which'
    ):
        small_runner(tmp_path, param_scheduler=schedule, **settings).train()
    schedule['warmup'] = epochs / 10
    small_runner(tmp_path, param_scheduler=schedule, **settings).train()
    assert (tmp_path / f'epoch_{epochs}.pth').is_file()


def test_one_image_in_a_batch_of_batch_norm(tmp_path):
    with pytest.raises(
        ValueError, match='two values.*train_dataloader.batch_size, which is 1'
    ):
        small_runner(tmp_path, train_dataloader=dict(batch_size=1)).train()


def test_too_few_images_for_a_batch(tmp_path):
    with pytest.raises(ValueError, match='8 images do not make one batch'):
        small_runner(
            tmp_path, train_dataloader=dict(batch_size=9, drop_last=True)
        ).train()
