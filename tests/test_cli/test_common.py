"""What a user reads when something is wrong."""

from argparse import ArgumentParser, Namespace

import pytest
from mmsoco.engine.cli import (
    add_cfg_options,
    load_config,
    reported_errors,
)


@pytest.fixture
def args(tmp_path):
    config = tmp_path / 'small.py'
    config.write_text('lr = 1\nwork_dir = None\n')
    return Namespace(
        config=config, work_dir=None, cfg_options={}, launcher='none'
    )


def reported(args, error):
    """The message of an error within a run."""
    args.work_dir = args.config.parent / 'work'
    with pytest.raises(SystemExit) as caught, reported_errors(args):
        raise error
    return str(caught.value)


@pytest.mark.parametrize(
    ('error', 'message'),
    [
        (ValueError('too small'), 'error: too small'),
        (KeyError('no hook X'), 'error: no hook X'),
        (FileNotFoundError(2, 'No such file', 'a.json'), 'file: a.json'),
        (ValueError(), 'error: ValueError'),
        (
            ValueError('Caught ValueError in worker.\nTrace\nValueError: bad'),
            'error: ValueError: bad',
        ),
    ],
)
def test_message_names_the_cause(args, error, message):
    text = reported(args, error)
    assert message in text
    path = args.work_dir / 'error.txt'
    assert str(path) in text
    assert 'Traceback' in path.read_text()


def test_bugs_keep_their_traceback(args):
    with pytest.raises(ZeroDivisionError), reported_errors(args):
        1 / 0  # noqa: B018


def test_work_dir_that_cannot_be_written_is_told(args):
    (args.config.parent / 'work').write_text('a file')
    assert 'could not be saved' in reported(args, ValueError('bad'))


def test_work_dir_follows_the_config_name(args):
    assert load_config(args).work_dir == 'work_dirs/small'


def test_command_line_wins(args):
    args.work_dir = args.config.parent / 'mine'
    args.cfg_options = dict(lr=2)
    cfg = load_config(args)
    assert cfg.work_dir == str(args.work_dir)
    assert cfg.lr == 2
    assert cfg.runner_type == 'mmsoco.Runner'


def parse_options(*values):
    parser = ArgumentParser()
    add_cfg_options(parser)
    return parser.parse_args(['--cfg-options', *values]).cfg_options


def test_options_keep_the_spaces_of_a_path():
    options = parse_options('root=my pictures (2)', 'n=3', 'size=(1, 2)')
    assert options == {'root': 'my pictures (2)', 'n': 3, 'size': (1, 2)}


def test_option_without_value_is_named(capsys):
    with pytest.raises(SystemExit):
        parse_options('root=my', 'pictures')
    assert "expects KEY=VALUE, but got 'pictures'" in capsys.readouterr().err
