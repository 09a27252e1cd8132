"""Errors reach the user as one line with what to do."""

import argparse
import re

import pytest

from mmsoco.cli.errors import call_reported, run_script


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
        (OSError(28, 'No space left on device'), 'left on device: free spa'),
        (OSError(27, 'x: File too large'), 'too large: raise .*ulimit -f'),
        (ValueError(), 'error: ValueError: no message'),
        (
            ValueError('Caught ValueError in worker.\nTrace\nValueError: bad'),
            'error: ValueError: bad',
        ),
        # a word alone tells nothing: type and place are added
        (KeyError('area'), r'error: KeyError: area \(.*test_errors.py:\d+\)'),
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


@pytest.mark.parametrize('kind', [FileExistsError, BlockingIOError])
def test_the_folder_of_another_run_is_left_as_it_is(tmp_path, capsys, kind):
    status, text = reported(capsys, kind('it is in use'), tmp_path)
    assert (status, text) == (1, 'error: it is in use\n')
    assert not list(tmp_path.iterdir())


def test_error_within_the_code_of_others_names_type_and_place(capsys):
    def run(args):
        len(5)

    assert call_reported(run, argparse.Namespace()) == 1
    text = capsys.readouterr().err
    assert re.search(r'error: TypeError: object of type .*test_errors', text)


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
