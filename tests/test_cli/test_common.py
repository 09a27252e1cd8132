"""What a user reads when something is wrong, and what options mean."""

import argparse
import os
import re
from pathlib import Path

import pytest

from mmsoco.cli.common import (
    Parser,
    add_cfg_options,
    add_out,
    integer,
    number,
    path,
    resolve_out,
)
from mmsoco.cli.errors import call_reported, run_script
from mmsoco.cli.launch import add_run_options, check_environment, load_config


@pytest.fixture
def args(tmp_path):
    config = tmp_path / 'small.py'
    config.write_text("model = dict(type='X')\nwork_dir = None\n")
    return argparse.Namespace(
        config=config, work_dir=None, cfg_options={}, launcher='none'
    )


def reported(capsys, error, folder=None):
    """What is said about an error: status and text."""

    def run(args):
        args.log_folder = folder
        raise error

    status = call_reported(run, argparse.Namespace())
    return status, capsys.readouterr().err


@pytest.mark.parametrize(
    ('error', 'message'),
    [
        (ValueError('it is too small'), 'error: it is too small\n'),
        (FileNotFoundError(2, 'No such file', 'a.json'), 'file: a.json'),
        (OSError(28, 'x.pth could not be written: full'), 'x.pth could not'),
        (ValueError(), 'error: ValueError: no message'),
        (
            ValueError('Caught ValueError in worker.\nTrace\nValueError: bad'),
            'error: ValueError: bad',
        ),
        # a word alone tells nothing: type and place are added
        (KeyError('area'), r'error: KeyError: area \(.*test_common.py:\d+\)'),
        (RuntimeError('The step 3 failed.'), 'error: The step 3 failed.'),
    ],
)
def test_message_names_the_cause(tmp_path, capsys, error, message):
    status, text = reported(capsys, error, tmp_path / 'work')
    assert status == 1
    assert re.search(message, text), text
    file = tmp_path / 'work' / 'error.txt'
    assert str(file) in text
    assert 'Traceback' in file.read_text()


def test_error_within_the_code_of_others_names_type_and_place(capsys):
    def run(args):
        len(5)

    assert call_reported(run, argparse.Namespace()) == 1
    text = capsys.readouterr().err
    assert re.search(r'error: TypeError: object of type .*test_common', text)


@pytest.mark.parametrize(
    ('text', 'remedy'),
    [
        ('CUDA out of memory. Tried to', 'batch_size'),
        ('unable to allocate shared memory (shm)', 'num_workers=0'),
        ('EADDRINUSE', 'PORT='),
    ],
)
def test_errors_of_torch_get_a_remedy(tmp_path, capsys, text, remedy):
    def run(args):
        args.log_folder = tmp_path
        exec('raise_it()', {'raise_it': raise_it})

    def raise_it():
        error = RuntimeError(text)
        (lambda: (_ for _ in ()).throw(error))()

    assert call_reported(run, argparse.Namespace()) == 1
    assert remedy in capsys.readouterr().err


def test_bugs_without_a_folder_keep_their_traceback():
    def run(args):
        1 / 0  # noqa: B018

    with pytest.raises(ZeroDivisionError):
        call_reported(run, argparse.Namespace())


def test_ranks_keep_their_tracebacks_apart(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv('RANK', '3')
    reported(capsys, ValueError('it is bad'), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ['error_rank3.txt']


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


def test_a_home_folder_that_the_shell_left(monkeypatch, tmp_path):
    monkeypatch.setenv('HOME', str(tmp_path))
    assert path('~/run') == tmp_path / 'run'
    assert path('./~/run') == Path('~/run')
    assert path('~nobody-of-this-name/x') == Path('~nobody-of-this-name/x')


def test_a_name_with_a_hyphen_in_front(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path('-pictures').mkdir()
    parser = Parser()
    parser.add_argument('images')
    with pytest.raises(SystemExit):
        parser.parse_args(['-pictures'])
    assert '-pictures is typed ./-pictures' in capsys.readouterr().err


def test_ctrl_c_says_how_to_go_on(capsys):
    def run(args):
        raise KeyboardInterrupt

    assert call_reported(run, argparse.Namespace(), 'run it again') == 130
    assert capsys.readouterr().err.strip() == 'run it again'


def test_work_dir_that_cannot_be_written_is_named(tmp_path, capsys):
    (tmp_path / 'work').write_text('a file')
    _, text = reported(capsys, ValueError('it is bad'), tmp_path / 'work')
    assert 'could not be saved' in text


def test_scripts_report_likewise(capsys):
    def main():
        raise ValueError('it is too small')

    assert run_script(main) == 1
    assert capsys.readouterr().err == 'error: it is too small\n'
    assert run_script(lambda: 'a result') == 0


def test_work_dir_follows_the_config_name(args):
    cfg = load_config(args)
    assert cfg.work_dir == os.path.join('work_dirs', 'small')
    assert str(args.log_folder) == cfg.work_dir


def test_command_line_wins(args):
    args.work_dir = args.config.parent / 'mine'
    args.cfg_options = {'model.type': 'Y', 'work_dir': 'other'}
    cfg = load_config(args)
    assert cfg.work_dir == str(args.work_dir)
    assert cfg.model.type == 'Y'
    assert cfg.runner_type == 'mmsoco.Runner'


def parse(add, *words):
    parser = Parser(prog='x')
    add(parser)
    parsed = parser.parse_args(words)
    resolve_out(parser, parsed)
    return parsed


def parse_options(*values):
    return parse(add_cfg_options, '--cfg-options', *values).cfg_options


def test_options_keep_the_spaces_of_a_path():
    options = parse_options('root=my pictures (2)', 'n=3', 'size=(1, 2)')
    assert options == {'root': 'my pictures (2)', 'n': 3, 'size': (1, 2)}


def test_name_of_a_folder_is_no_list(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'a, b (1)').mkdir()
    assert parse_options('root=a, b (1)', 'x=a,b') == {
        'root': 'a, b (1)',
        'x': ['a', 'b'],
    }


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['root=my', 'pictures'], "expects KEY=VALUE, but got 'pictures'"),
        (['=3'], 'expects KEY=VALUE'),
        (['x=[1,(2]'], 'Imbalanced brackets'),
    ],
)
def test_malformed_option_is_named(capsys, words, message):
    with pytest.raises(SystemExit):
        parse_options(*words)
    error = capsys.readouterr().err
    assert message in error and '--cfg-options' in error


@pytest.mark.parametrize(
    ('kind', 'good', 'bad'),
    [
        (integer(1), {'1': 1, '40': 40}, ['0', '-1', '1.5', 'x', '']),
        (integer(0, 3), {'0': 0, '3': 3}, ['4', '-1']),
        (number(0), {'0': 0, '1e3': 1000}, ['-1', 'nan', 'inf', 'x']),
        (number(0, 1, above=True), {'1': 1, '.5': 0.5}, ['0', '1.1']),
    ],
)
def test_numbers_are_held_to_their_limits(kind, good, bad):
    assert {text: kind(text) for text in good} == good
    for text in bad:
        with pytest.raises(argparse.ArgumentTypeError, match='expected a'):
            kind(text)


def test_empty_path_is_refused():
    with pytest.raises(argparse.ArgumentTypeError, match='empty'):
        path(' ')


def test_unknown_option_suggests_the_nearest(capsys):
    with pytest.raises(SystemExit) as caught:
        parse(add_cfg_options, '--cfg-option', 'a=1')
    assert caught.value.code == 2
    assert 'did you mean --cfg-options?' in capsys.readouterr().err


def test_abbreviations_are_refused(capsys):
    with pytest.raises(SystemExit):
        parse(lambda parser: add_out(parser, 'the file'), '--ou', 'x')
    assert 'did you mean --out?' in capsys.readouterr().err


def test_launcher_of_mim_may_name_the_rank():
    parser = argparse.ArgumentParser()
    add_run_options(parser)
    parser.parse_args(['--launcher', 'pytorch', '--local-rank=1'])
    assert '--local-rank' not in parser.format_help()
