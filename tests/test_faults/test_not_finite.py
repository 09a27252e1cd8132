"""Not a number: no step, no file, and an end that says where it began."""

import json
import math

import pytest
import torch
from mmengine.hooks import EMAHook
from small_runs import (
    NamedPoints,
    at_iteration,
    diary,
    log_of,
    small_runner,
)

from mmsoco.checkpoints.guard import not_finite
from mmsoco.checkpoints.io import load, load_run
from mmsoco.engine.errors import TrainingFailedError
from mmsoco.engine.hooks import finite_hook

NAN = math.nan


def poison(monkeypatch, first, last=10**9, value=NAN, spared=()):
    """Makes the samples of iterations not finite, but for those spared."""
    get = NamedPoints.__getitem__
    made = []

    def poisoned(self, key):
        sample, iteration = get(self, key), len(made) // 2
        if first <= iteration <= last and iteration not in spared:
            sample['inputs'][0] = value * (-1) ** len(made)  # they differ
        made.append(key)
        return sample

    monkeypatch.setattr(NamedPoints, '__getitem__', poisoned)


@pytest.mark.parametrize('value', [NAN, math.inf])
def test_inputs_that_are_not_finite_after_a_good_epoch(
    tmp_path, monkeypatch, value
):
    poison(monkeypatch, first=4, value=value)
    runner = small_runner(
        tmp_path,
        train_cfg=dict(max_epochs=9),
        default_hooks=dict(checkpoint=dict(max_keep_ckpts=1)),
    )
    with pytest.raises(
        TrainingFailedError,
        match=r'Iteration 9 \(epoch 3\): .* 5 steps in a row.*images or boxes '
        r'themselves.*iter_9_rank0.pt.*Continue from epoch_1.pth',
    ):
        runner.train()
    assert [p.name for p in tmp_path.glob('*.pth')] == ['epoch_1.pth']
    good = load_run(tmp_path / 'epoch_1.pth')['state_dict']
    for name, tensor in runner.model.state_dict().items():
        assert torch.equal(tensor, good[name]), name
    kept = load(tmp_path / 'not_finite' / 'iter_9_rank0.pt')
    assert (kept['iter'], kept['epoch'], kept['seed']) == (9, 3, 0)
    assert not_finite(kept['batch'])


def test_statistics_that_overflow_end_the_run_as_well(tmp_path, monkeypatch):
    """The variance of such inputs is infinite; batch norm returns 0."""
    poison(monkeypatch, first=4, value=1e25)
    with pytest.raises(
        TrainingFailedError,
        match=r'Iteration 9 .*5 steps in a row.*layers.1.running_var, a stat',
    ):
        small_runner(tmp_path).train()
    assert [p.name for p in tmp_path.glob('*.pth')] == ['epoch_1.pth']


@pytest.mark.parametrize('lr', [1e30, 1e38])
def test_a_rate_that_is_far_too_high(tmp_path, lr):
    runner = small_runner(
        tmp_path,
        optim_wrapper=dict(optimizer=dict(lr=lr)),
        train_cfg=dict(max_epochs=50),
        model=dict(type='PlainRegressor'),
    )
    with pytest.raises(
        (TrainingFailedError, ValueError),
        match=r'not finite.*optim_wrapper.optimizer.lr',
    ):
        runner.train()
    for path in tmp_path.glob('*.pth'):
        assert not not_finite(load_run(path)['state_dict'])


@pytest.mark.parametrize(
    'settings',
    [
        dict(param_scheduler=dict(type='PolyLR', eta_min=math.inf, end=2)),
        dict(param_scheduler=dict(type='ExponentialLR', gamma=1e300)),
        dict(optim_wrapper=dict(optimizer=dict(lr=1e308))),
        dict(
            optim_wrapper=dict(
                paramwise_cfg=dict(custom_keys=dict(layers=dict(lr_mult=1e99)))
            )
        ),
    ],
)
def test_a_rate_that_is_no_longer_a_number(tmp_path, settings):
    """The weights were lost, or torch said: type float without overflow."""
    runner = small_runner(tmp_path, **settings)
    with pytest.raises(TrainingFailedError, match='lr has become .*not taken'):
        runner.train()
    assert not not_finite(runner.model.state_dict())


def test_one_bad_batch_is_left_out(tmp_path, monkeypatch, capfd):
    poison(monkeypatch, first=5, last=5)
    runner = small_runner(tmp_path)
    runner.train()
    assert 'Iteration 6: loss or gradients are not finite' in log_of(tmp_path)
    assert not not_finite(load_run(tmp_path / 'epoch_3.pth'))
    skipped = runner.message_hub.get_scalar('train/skipped_steps')
    assert skipped.current() == 1


def test_one_bad_batch_leaves_the_logged_means_as_they_are(
    tmp_path, monkeypatch
):
    """They were NaN for as many steps as the mean has, and no valid JSON."""
    poison(monkeypatch, first=5, last=5)
    hooks = dict(runtime_info=dict(type='DeferredRuntimeInfoHook'))
    small_runner(tmp_path, default_hooks=hooks).train()
    [path] = tmp_path.glob('*/vis_data/scalars.json')
    text = path.read_text()
    assert 'NaN' not in text
    last = json.loads(text.splitlines()[-1])
    assert (last['skipped_steps'], math.isfinite(last['loss'])) == (1, True)


def test_a_bad_batch_in_accumulated_gradients(tmp_path, monkeypatch):
    poison(monkeypatch, first=4, last=4)
    runner = small_runner(tmp_path, optim_wrapper=dict(accumulative_counts=2))
    runner.train()
    assert not not_finite(load_run(tmp_path / 'epoch_3.pth'))
    assert 'Iteration 6: ' in log_of(tmp_path)  # where its step would be


def test_the_bad_batch_of_accumulated_gradients_is_found(
    tmp_path, monkeypatch
):
    """The first of two, while the second one is finite."""
    poison(monkeypatch, first=4, last=4)
    runner = small_runner(
        tmp_path,
        optim_wrapper=dict(accumulative_counts=2),
        default_hooks=dict(finite=dict(stop_after=1)),
    )
    with pytest.raises(TrainingFailedError, match='images or boxes themselv'):
        runner.train()
    kept = load(tmp_path / 'not_finite' / 'iter_6_rank0.pt')
    assert not_finite(kept['batch'])
    assert len(kept['further_batches']) == 1
    assert not not_finite(kept['further_batches'])


def test_a_large_share_of_skipped_steps_is_told(tmp_path, monkeypatch):
    """Four steps in a row do not end a run, however often that happens."""
    poison(monkeypatch, first=0, spared=range(0, 20, 5))
    small_runner(tmp_path, train_cfg=dict(max_epochs=5)).train()
    log = log_of(tmp_path)
    assert 'Epoch 2: 3 of 4 steps (75%) were skipped' in log
    assert 'Epoch 5: 4 of 4 steps (100%) were skipped' in log
    assert 'This training: 16 of 20 steps (80%) were skipped' in log


def test_a_small_share_of_skipped_steps_is_not_repeated(tmp_path, monkeypatch):
    poison(monkeypatch, first=2, last=2)
    small_runner(tmp_path, train_cfg=dict(max_epochs=5)).train()
    log = log_of(tmp_path)
    assert 'Epoch 1: 1 of 4 steps (25%)' in log
    assert 'Epoch 2:' not in log
    assert 'This training:' not in log  # 5 %


def test_a_short_run_without_any_step_fails(tmp_path, monkeypatch):
    """It ends before five steps have failed."""
    poison(monkeypatch, first=0)
    runner = small_runner(tmp_path, train_cfg=dict(max_epochs=1))
    with pytest.raises(TrainingFailedError, match='4 steps in a row'):
        runner.train()
    assert not [*tmp_path.glob('*.pth')]


def test_the_hook_cannot_be_removed(tmp_path, monkeypatch):
    """Without it a run would skip its steps to the end."""
    poison(monkeypatch, first=4)
    with pytest.raises(TrainingFailedError):
        small_runner(tmp_path, default_hooks=dict(finite=None)).train()


def test_a_message_says_whose_batch_it_is_about(tmp_path, monkeypatch):
    """Each of several processes knows only its own."""
    poison(monkeypatch, first=4)
    monkeypatch.setattr(finite_hook, 'get_world_size', lambda: 3)
    monkeypatch.setattr(finite_hook, 'get_rank', lambda: 1)
    with pytest.raises(TrainingFailedError, match='layer of process 2 of 3'):
        small_runner(tmp_path).train()


def test_bad_steps_at_the_end_of_an_epoch_put_the_checkpoint_off(
    tmp_path, monkeypatch
):
    poison(monkeypatch, first=6, last=8)
    small_runner(
        tmp_path, default_hooks=dict(checkpoint=dict(max_keep_ckpts=1))
    ).train()
    log = log_of(tmp_path)
    assert 'postponed: the last 2 steps were skipped' in log
    assert [p.name for p in tmp_path.glob('*.pth')] == ['epoch_3.pth']


def test_weights_that_are_not_finite_are_not_written(tmp_path):
    runner = small_runner(tmp_path)

    def break_weights():
        runner.optim_wrapper.optimizer.step = lambda: None
        runner.model.layers[0].weight.data.fill_(NAN)

    at_iteration(runner, 7, break_weights)
    with pytest.raises(
        ValueError, match='not finite.*layers.0.weight|layers.0.weight.*--res'
    ):
        runner.train()
    for path in tmp_path.glob('*.pth'):
        assert not not_finite(load_run(path)['state_dict'])


def test_averages_that_are_not_finite_are_not_written(tmp_path):
    """A hook replaces the weights of a checkpoint at the last moment."""
    runner = small_runner(
        tmp_path, custom_hooks=[dict(type='Diary'), dict(type='EMAHook')]
    )

    def break_average():
        [ema] = [h for h in runner.hooks if isinstance(h, EMAHook)]
        ema.ema_model.module.layers[0].weight.data.fill_(NAN)

    at_iteration(runner, 6, break_average)
    with pytest.raises(
        ValueError, match=r'epoch_2\.pth is not written.*layers.0.weight'
    ):
        runner.train()
    assert [p.name for p in tmp_path.glob('*.pth')] == ['epoch_1.pth']


def test_a_resumed_run_begins_with_no_failures(tmp_path, monkeypatch):
    """The advice can be followed."""
    with monkeypatch.context() as patched:
        poison(patched, first=4)
        with pytest.raises(TrainingFailedError, match='--resume and a lower'):
            small_runner(tmp_path, train_cfg=dict(max_epochs=4)).train()
    runner = small_runner(
        tmp_path,
        resume=True,
        train_cfg=dict(max_epochs=4),
        optim_wrapper=dict(optimizer=dict(lr=0.01)),
    )
    runner.train()
    assert runner.iter == 16
    assert set(diary(runner).rates.values()) == {0.01}
