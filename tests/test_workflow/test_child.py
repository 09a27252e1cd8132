import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from real_processes import PATIENCE, wait_for

from mmsoco.utils.machine import SPIN_COUNT
from mmsoco.utils.processes import is_alive
from mmsoco.utils.stop_signals import StoppedError, StopSignals
from mmsoco.workflow import child
from mmsoco.workflow.child import ScalarsFollower, resume_notes, run_child


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Make a module that a child can run."""
    monkeypatch.setenv(
        'PYTHONPATH',
        os.pathsep.join([str(tmp_path), os.environ.get('PYTHONPATH', '')]),
    )

    def write(code):
        (tmp_path / 'program.py').write_text(code)
        return ('-m', 'program')

    return write


def tell_pid(note):
    """Code that writes down the number of its process."""
    return (
        'import os, pathlib, signal, sys, time\n'
        f'pathlib.Path({str(note)!r}).write_text(str(os.getpid()))\n'
    )


def is_told(note):
    return note.is_file() and note.read_text() != ''


def test_output_goes_to_the_log_and_news_are_asked_for(tmp_path, program):
    polls = []
    log = tmp_path / 'logs' / 'a.log'
    command = program('import sys; print("hello", sys.argv[1:])')
    run_child((*command, 'a b'), log, on_poll=lambda: polls.append(1))
    assert log.read_text() == "hello ['a b']\n"
    assert polls


def test_nothing_is_imported_from_the_working_directory(tmp_path, monkeypatch):
    # As where a clone was made, or where a user keeps programs of his own.
    (tmp_path / 'mmsoco' / 'mmsoco').mkdir(parents=True)
    (tmp_path / 'random.py').write_text('raise SystemExit("not this one")')
    monkeypatch.chdir(tmp_path)
    log = tmp_path / 'a.log'
    run_child(('-m', 'mmsoco', 'export', '--help'), log)
    assert 'mmsoco export' in log.read_text()


def test_a_second_call_says_where_it_goes_on(tmp_path):
    work_dir = tmp_path / 'checkpoints'
    assert resume_notes(work_dir) == []
    (work_dir / '20261130_180004').mkdir(parents=True)  # the log of a start
    [(name, text)] = resume_notes(work_dir)
    assert name == 'resume'
    assert 'from the start' in text
    torch.save({'state_dict': {}}, work_dir / 'epoch_1.pth')
    assert resume_notes(work_dir) == [
        ('resume', 'from checkpoints/epoch_1.pth')
    ]
    (work_dir / 'epoch_2.pth').write_bytes(b'')
    [(name, text), last] = resume_notes(work_dir)
    assert (name, last[1]) == ('damaged', 'from checkpoints/epoch_1.pth')
    assert 'checkpoints/epoch_2.pth' in text


def test_the_message_is_that_of_the_failed_program(tmp_path, program):
    log = tmp_path / 'a.log'
    log.write_text('error: of an earlier call\n')
    command = program('raise SystemExit("error: no such thing\\n(see x)")')
    with pytest.raises(ChildProcessError) as caught:
        run_child(command, log, what='probe')
    message = str(caught.value)
    assert message.startswith('the probe failed: no such thing')
    assert 'no such thing (see x)' in message and str(log) in message
    assert 'earlier' not in message


def test_a_program_without_a_message_shows_its_end(tmp_path, program):
    command = program('print("x" * 5); raise RuntimeError("bug")')
    with pytest.raises(ChildProcessError, match='RuntimeError: bug'):
        run_child(command, tmp_path / 'a.log')


def test_a_killed_program_is_told_apart(tmp_path, program):
    command = program('import os; os.kill(os.getpid(), 9)')
    with pytest.raises(ChildProcessError, match='SIGKILL, most likely'):
        run_child(command, tmp_path / 'a.log')


def test_an_interruption_ends_the_program(tmp_path, program):
    note = tmp_path / 'pid'
    command = program(f'{tell_pid(note)}time.sleep(60)')

    def interrupt():
        if is_told(note):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_child(command, tmp_path / 'a.log', on_poll=interrupt)
    assert not is_alive(int(note.read_text()))


@pytest.mark.parametrize(
    ('sent', 'code'), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_an_ended_parent_lets_its_training_save(tmp_path, program, sent, code):
    """As by a closed terminal, after which the system sends SIGTERM."""
    note, saved = tmp_path / 'pid', tmp_path / 'saved'
    command = program(
        'import pathlib, signal, sys, time\n'
        'def save(*_):\n'
        '    time.sleep(1)\n'
        f'    pathlib.Path({str(saved)!r}).touch()\n'
        '    sys.exit()\n'
        'signal.signal(signal.SIGTERM, save)\n'
        f'{tell_pid(note)}'
        'time.sleep(60)'
    )
    code_of_parent = (
        'import argparse, sys\n'
        'from pathlib import Path\n'
        'from mmsoco.cli.errors import call_reported\n'
        'from mmsoco.workflow.child import run_child\n'
        f'run = lambda _: run_child({command!r}, '
        f'Path({str(tmp_path / "a.log")!r}))\n'
        'sys.exit(call_reported(run, argparse.Namespace()))'
    )
    parent = subprocess.Popen([sys.executable, '-c', code_of_parent])
    wait_for(lambda: is_told(note))
    parent.send_signal(sent)
    time.sleep(0.3)
    parent.send_signal(signal.SIGTERM)
    assert parent.wait(PATIENCE) == code
    assert saved.is_file()
    assert not is_alive(int(note.read_text()))


def test_a_second_signal_does_not_wait_for_the_program(tmp_path, program):
    note = tmp_path / 'pid'
    command = program(
        'import signal\n'
        'signal.signal(signal.SIGTERM, lambda *_: None)\n'
        f'{tell_pid(note)}'
        'while True:\n'
        '    time.sleep(1)'
    )

    def signal_twice():
        if is_told(note):
            threading.Timer(1.5, os.kill, [os.getpid(), signal.SIGHUP]).start()
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(StoppedError, match='SIGTERM'), StopSignals():
        run_child(command, tmp_path / 'a.log', on_poll=signal_twice)
    assert not is_alive(int(note.read_text()))


def test_a_killed_parent_leaves_no_training(tmp_path, program):
    note = tmp_path / 'pid'
    command = program(f'{tell_pid(note)}time.sleep(60)')
    code = (
        'from pathlib import Path\n'
        'from mmsoco.workflow.child import run_child\n'
        f'run_child({command!r}, Path({str(tmp_path / "a.log")!r}))'
    )
    parent = subprocess.Popen([sys.executable, '-c', code])
    wait_for(lambda: is_told(note))
    pid = int(note.read_text())
    assert is_alive(pid)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_for(lambda: not is_alive(pid))


def test_threads_that_wait_sleep_soon(monkeypatch):
    for name in ('OMP_WAIT_POLICY', 'GOMP_SPINCOUNT', 'OMP_NUM_THREADS'):
        monkeypatch.delenv(name, raising=False)
    values = child.environment(3)
    assert values['GOMP_SPINCOUNT'] == str(SPIN_COUNT)
    assert values['OMP_NUM_THREADS'] == values['MKL_NUM_THREADS'] == '3'
    assert 'OMP_NUM_THREADS' not in child.environment(None)
    monkeypatch.setenv('OMP_WAIT_POLICY', 'ACTIVE')
    assert 'GOMP_SPINCOUNT' not in child.environment(3)


def write(path, *entries, end='\n'):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open('a') as file:
        file.write('\n'.join(map(json.dumps, entries)) + end)


def test_only_new_and_complete_lines_are_news(tmp_path):
    scalars = 'vis_data/scalars.json'
    write(tmp_path / '20260101' / scalars, dict(step=1))
    follower = ScalarsFollower(tmp_path)
    assert list(follower.new_entries()) == []
    path = tmp_path / '20260102' / scalars
    write(path, dict(step=2), dict(step=3))
    assert [e['step'] for e in follower.new_entries()] == [2, 3]
    write(path, dict(step=4), end='')
    assert list(follower.new_entries()) == []
    write(path, end='\n')
    assert [e['step'] for e in follower.new_entries()] == [4]


def test_commands_are_those_a_user_would_type():
    train = child.training_command(Path('a b.py'), Path('w'), 1)
    assert train == (
        '-m', 'mmsoco', 'train', 'a b.py', '--work-dir', 'w', '--resume',
    )  # fmt: skip
    many = child.training_command(Path('a.py'), Path('w'), 4)
    assert many[:2] == ('-m', 'torch.distributed.run')
    assert many[many.index('--nproc-per-node') + 1] == '4'
    assert many[-2:] == ('--launcher', 'pytorch')
    test = child.evaluation_command(Path('a.py'), Path('c.pth'), Path('w'))
    assert test == (
        '-m', 'mmsoco', 'test', 'a.py', 'c.pth', '--work-dir', 'w',
    )  # fmt: skip
