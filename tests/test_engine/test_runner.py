"""Checkpoints that are whole or not there, and the learning rate."""

import multiprocessing
import os
from functools import partial
from pathlib import Path

import pytest
import torch
from mmengine.fileio import LocalBackend
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from real_processes import PATIENCE
from small_runs import fill_disk, log_of, small_runner
from torch import nn

from mmsoco.checkpoints.io import load_run
from mmsoco.checkpoints.newest import newest_usable
from mmsoco.engine import Runner
from mmsoco.engine.hooks import LoadReportHook
from mmsoco.registry import HOOKS

# Without statistics, which change even where nothing is learned.
build_runner = partial(small_runner, model=dict(type='PlainRegressor'))


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    """The work dir of a run that was not disturbed."""
    work_dir = tmp_path_factory.mktemp('finished')
    build_runner(work_dir).train()
    return work_dir


def killed_while_saving(work_dir):
    """Trains until the second checkpoint is written by half, and dies."""
    put = LocalBackend.put

    def put_half(self, content, path):
        if 'epoch_2' in str(path):
            put(self, content[: len(content) // 2], path)
            os._exit(9)
        put(self, content, path)

    LocalBackend.put = put_half
    build_runner(work_dir).train()


def test_kill_while_saving_leaves_whole_checkpoints_alone(tmp_path):
    process = multiprocessing.get_context('fork').Process(
        target=killed_while_saving, args=(tmp_path,)
    )
    process.start()
    process.join(PATIENCE)
    assert process.exitcode == 9
    assert [p.name for p in tmp_path.glob('*.pth')] == ['epoch_1.pth']
    assert list(tmp_path.glob('.*.part'))
    checkpoint, _ = newest_usable(tmp_path)
    build_runner(tmp_path, load_from=str(checkpoint), resume=True).train()
    assert load_run(tmp_path / 'epoch_3.pth')['meta']['epoch'] == 3
    assert not list(tmp_path.glob('.*.part'))


def test_full_disk_is_told_and_earlier_checkpoints_stay(
    finished, tmp_path, monkeypatch
):
    fill_disk(monkeypatch)
    with pytest.raises(OSError, match='epoch_1.pth.*No space.*--resume'):
        build_runner(tmp_path).train()
    assert not list(tmp_path.glob('*epoch*'))


@pytest.mark.parametrize(('accumulated', 'lr'), [(1, 0.5 * 2 / 4), (3, 0.75)])
def test_learning_rate_follows_the_batch_of_a_step(tmp_path, accumulated, lr):
    runner = build_runner(
        tmp_path,
        auto_scale_lr=dict(enable=True, base_batch_size=4),
        optim_wrapper=dict(accumulative_counts=accumulated),
    )
    wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    runner.scale_lr(wrapper, runner.auto_scale_lr)
    assert wrapper.optimizer.param_groups[0]['lr'] == pytest.approx(lr)


def test_foreign_objects_are_refused(finished, tmp_path):
    path = tmp_path / 'foreign.pth'
    torch.save(dict(state_dict={}, extra=Path('x')), path)
    runner = build_runner(tmp_path, load_from=str(path))
    with pytest.raises(
        ValueError, match='foreign.pth is not a checkpoint of .*--resume'
    ):
        runner.train()


def test_weights_of_a_run_start_another_one(finished, tmp_path):
    """They come with the history of its log, which is data, too."""
    last = finished / 'epoch_3.pth'
    still = dict(optimizer=dict(lr=1e-30))
    runner = build_runner(tmp_path, load_from=str(last), optim_wrapper=still)
    runner.train()
    for name, tensor in load_run(last)['state_dict'].items():
        assert torch.equal(runner.model.state_dict()[name], tensor), name


@pytest.mark.parametrize('custom_hooks', [None, [dict(type='TellingReport')]])
def test_weights_are_compared_whatever_the_config(
    finished, tmp_path, custom_hooks
):
    """A config of mmdet has no hook for it, and mmengine goes on."""
    state = load_run(finished / 'epoch_3.pth')['state_dict']
    state['layers.lost'] = torch.ones(1)
    torch.save(dict(state_dict=state), tmp_path / 'more.pth')
    settings = dict(load_from=str(tmp_path / 'more.pth'))
    runner = build_runner(
        tmp_path / 'a', custom_hooks=custom_hooks, **settings
    )
    assert sum(isinstance(h, LoadReportHook) for h in runner.hooks) == 1
    with pytest.raises(ValueError, match=r'layers: .*1 did not .layers\.lost'):
        runner.train()
    hooks = dict(load_report=None)
    build_runner(tmp_path / 'b', default_hooks=hooks, **settings).train()


@HOOKS.register_module()
class TellingReport(LoadReportHook):
    """A user's own."""


def test_the_start_goes_to_the_log_file(tmp_path, capsys):
    runner = build_runner(
        tmp_path, log_level='DEBUG', default_hooks=dict(early=dict(type=Early))
    )
    runner.logger.debug('a later detail')
    shown = capsys.readouterr().out
    [log] = tmp_path.glob('*/*.log')
    text = log.read_text()
    for part in ('System environment', 'Config:', 'Hooks will', 'a detail'):
        assert part in text and part not in shown
    assert 'a warning' in shown and 'a later detail' in shown
    assert f'hooks: {log}' in shown and len(shown.splitlines()) == 3


def test_the_console_is_spared_the_details_of_a_start(tmp_path, capsys):
    runner = build_runner(
        tmp_path,
        optim_wrapper=dict(
            optimizer=dict(lr=0.05),
            paramwise_cfg=dict(custom_keys=dict(layers=dict(lr_mult=2))),
        ),
    )
    capsys.readouterr()
    runner.train()
    output = capsys.readouterr()
    shown = output.out + output.err
    assert 'layers.0.weight:lr_mult=2' in log_of(tmp_path)
    assert 'lr_mult' not in shown
    # mmengine warns of its own class for files at each checkpoint.
    assert 'FileClient' not in shown and 'Backend' not in shown
    assert 'Saving checkpoint at 1 epochs' in shown


class Early(Hook):
    """Logs while the runner is built."""

    def __init__(self):
        MMLogger.get_current_instance().debug('a detail')
        MMLogger.get_current_instance().warning('a warning')


def test_sync_bn_becomes_plain_on_a_cpu(tmp_path):
    model = nn.Sequential(nn.Linear(2, 2), nn.SyncBatchNorm(2))
    wrapped = build_runner(tmp_path).wrap_model(None, model)
    assert not isinstance(wrapped[1], nn.SyncBatchNorm)
    wrapped(torch.ones(4, 2))


def test_a_failed_wrapper_leaves_the_config_whole(tmp_path, monkeypatch):
    """On CPUs sync_bn is taken out while the model is wrapped."""

    def fail(*_):
        raise RuntimeError('no wrapper')

    runner = build_runner(tmp_path, sync_bn='torch')
    monkeypatch.setattr(Runner, 'distributed', True)
    monkeypatch.setattr(Runner.__base__, 'wrap_model', fail)
    with pytest.raises(RuntimeError, match='no wrapper'):
        runner.wrap_model(None, nn.Linear(2, 2))
    assert runner.cfg.sync_bn == 'torch'
