"""What options mean, and which values of them are refused."""

import argparse
from pathlib import Path

import pytest

from mmsoco.cli.common import Parser, add_cfg_options, add_out, resolve_out
from mmsoco.cli.option_types import integer, number, path


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


def test_a_path_that_was_not_quoted_is_named(capsys):
    with pytest.raises(SystemExit):
        parse_options('root=my', 'pictures')
    error = capsys.readouterr().err
    assert "--cfg-options expects KEY=VALUE, but got 'pictures'" in error


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


def test_usage_says_what_is_needed():
    parser = Parser(prog='x')
    parser.add_argument('images')
    either = parser.add_mutually_exclusive_group()
    either.add_argument('--split')
    either.add_argument('--parts')
    add_out(parser, 'the file')
    usage = parser.format_usage()
    assert (
        usage
        == 'usage: x [-h] [--split SPLIT | --parts PARTS] --out PATH IMAGES\n'
    )
    # Only shown so: the path may be given without --out.
    assert parser.parse_args(['a', 'b']).out_positional == Path('b')


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        ([], 'error: the following arguments are required: IMAGES\n'),
        (['a'], 'error: the following arguments are required: --out\n'),
        (
            ['', '--out', 'b'],
            'error: argument IMAGES: expected a path, got an',
        ),
        (['a', ''], 'error: argument OUT: expected a path, got an empty text'),
    ],
)
def test_error_comes_first_and_is_short(capsys, words, message):
    def add(parser):
        parser.add_argument('images', type=path)
        add_out(parser, 'the file')

    with pytest.raises(SystemExit) as caught:
        parse(add, *words)
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith(message)
    assert error.splitlines()[1:] == ['`x --help` explains the arguments']


def test_empty_path_is_refused():
    with pytest.raises(argparse.ArgumentTypeError, match='empty'):
        path(' ')


def test_abbreviations_are_refused(capsys):
    with pytest.raises(SystemExit):
        parse(lambda parser: add_out(parser, 'the file'), '--ou', 'x')
    assert 'did you mean --out?' in capsys.readouterr().err
