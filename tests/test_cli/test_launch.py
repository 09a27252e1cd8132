"""Options, config and environment of the verbs that run a config."""

import argparse
import os

import pytest

from mmsoco.cli.launch import add_run_options, check_environment, load_config

WHOLE = """
model = dict(type='X')
train_dataloader = dict(batch_size=2)
train_cfg = dict(by_epoch=True, max_epochs=1)
optim_wrapper = dict(optimizer=dict(type='SGD', lr=1.0))
work_dir = None
"""


@pytest.fixture
def args(tmp_path):
    config = tmp_path / 'small.py'
    config.write_text(WHOLE)
    return argparse.Namespace(
        config=config, work_dir=None, cfg_options={}, launcher='none'
    )


@pytest.mark.parametrize(
    ('name', 'value'),
    [('RANK', ''), ('RANK', 'x'), ('LOCAL_RANK', ''), ('LOCAL_RANK', '-1')],
)
def test_variables_of_the_environment_are_named(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=f'{name} of the env.*unset {name}'):
        check_environment('none')


def test_variables_of_a_launcher_are_named(monkeypatch):
    for name in ('RANK', 'LOCAL_RANK', 'WORLD_SIZE', 'MASTER_PORT'):
        monkeypatch.setenv(name, '0')
    monkeypatch.delenv('MASTER_ADDR', raising=False)
    with pytest.raises(ValueError, match='but MASTER_ADDR is not set'):
        check_environment('pytorch')
    monkeypatch.setenv('MASTER_ADDR', 'host')
    check_environment('pytorch')
    monkeypatch.setenv('MASTER_PORT', 'abc')
    with pytest.raises(ValueError, match="MASTER_PORT .* 'abc'"):
        check_environment('pytorch')


def test_work_dir_follows_the_config_name(args):
    cfg = load_config(args)
    assert cfg.work_dir == os.path.join('work_dirs', 'small')


def test_command_line_wins(args):
    args.work_dir = args.config.parent / 'mine'
    args.cfg_options = {'model.type': 'Y', 'work_dir': 'other'}
    cfg = load_config(args)
    assert cfg.work_dir == str(args.work_dir)
    assert cfg.model.type == 'Y'
    assert cfg.runner_type == 'mmsoco.Runner'


@pytest.mark.parametrize(
    ('text', 'split', 'message'),
    [
        ('x = 1', 'train', r'small.py has no model, .*optim_wrapper; `mmsoco'),
        ('model = dict()', 'test', 'has no model, test_dataloader'),
        (WHOLE, 'test', 'has no test_dataloader.*config of a fine-tuning'),
    ],
)
def test_configs_of_other_things_are_refused(args, text, split, message):
    args.config.write_text(text)
    with pytest.raises(ValueError, match=message):
        load_config(args, split)


def test_launcher_of_mim_may_name_the_rank():
    parser = argparse.ArgumentParser()
    add_run_options(parser)
    parser.parse_args(['--launcher', 'pytorch', '--local-rank=1'])
    assert '--local-rank' not in parser.format_help()
