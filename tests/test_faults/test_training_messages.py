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
        ('randomness.seed', -1),
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
