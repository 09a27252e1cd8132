"""Trainings that are stopped as terminals, `timeout` and Slurm do it."""

import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest
from real_processes import (
    begin,
    begin_two_ranks,
    children_of,
    output_of,
    read_until,
    wait_for,
)
from saved_states import differences

from mmsoco.checkpoints.io import load_run
from mmsoco.utils.processes import is_alive

pytestmark = pytest.mark.slow


def stopped_at(work):
    return load_run(work / 'interim.pth')['meta']['iter']


@pytest.mark.parametrize(
    ('workers', 'sent', 'code'),
    [
        ('workers', [signal.SIGTERM], 143),
        ('workers persistent', [signal.SIGTERM], 143),
        ('workers', [signal.SIGHUP, signal.SIGTERM], 129),
        # The script has no more to say to it than Python's traceback.
        ('workers', [signal.SIGINT], 1),
    ],
)
def test_a_signal_to_the_group_saves(script, tmp_path, workers, sent, code):
    work = tmp_path / 'work'
    process = begin([script, work, 500, *workers.split()])
    read_until(process, 'iteration 5')
    data_workers = children_of(process.pid)
    assert len(data_workers) == 2
    for number in sent:
        os.killpg(process.pid, number)
    output = output_of(process)
    assert process.returncode == code, output
    assert f'Stopped after iteration {stopped_at(work)} of 2000' in output
    assert not any(map(is_alive, data_workers))


@pytest.mark.parametrize('name', ['TERM', 'HUP'])
def test_timeout_saves(script, tmp_path, name):
    """It signals the training, and then its group, the training included."""
    work = tmp_path / 'work'
    program = ['timeout', '--preserve-status', '-s', name, '600']
    process = begin(
        [script, work, 5000, 'workers'], program=[*program, sys.executable]
    )
    read_until(process, 'iteration 5')
    process.send_signal(signal.SIGALRM)  # its alarm: the time is over
    output = output_of(process)
    assert process.returncode == dict(TERM=143, HUP=129)[name], output
    assert f'Stopped after iteration {stopped_at(work)} of' in output


def test_a_second_signal_does_not_wait(script, tmp_path):
    script.write_text(script.read_text().replace('sleep(0.2)', 'sleep(300)'))
    process = begin([script, tmp_path / 'work', 500, 'workers'])
    read_until(process, 'iteration 0')
    data_workers = children_of(process.pid)
    os.killpg(process.pid, signal.SIGTERM)
    time.sleep(2)
    assert process.poll() is None
    os.killpg(process.pid, signal.SIGTERM)
    output = output_of(process)
    assert 'ended by SIGTERM' in output
    assert not any(map(is_alive, data_workers))
    assert not list((tmp_path / 'work').glob('*.pth'))


def test_workers_end_with_a_training_that_was_killed(script, tmp_path):
    process = begin([script, tmp_path / 'work', 500, 'workers'])
    read_until(process, 'iteration 1')
    data_workers = children_of(process.pid)
    assert len(data_workers) == 2
    process.kill()
    process.wait()
    wait_for(lambda: not any(map(is_alive, data_workers)))


def test_a_stopped_training_keeps_its_folder_and_goes_on(script, tmp_path):
    """As by Ctrl-Z, or by Slurm when it suspends a job."""
    whole, paused = tmp_path / 'whole', tmp_path / 'paused'
    output_of(begin([script, whole, 3, 'workers']))
    process = begin([script, paused, 3, 'workers'])
    read_until(process, 'iteration 5')
    os.killpg(process.pid, signal.SIGSTOP)
    other = begin([script, paused, 3, 'resume'])
    output = output_of(other)
    assert other.returncode == 1
    assert f'in use: process {process.pid} of' in output
    os.killpg(process.pid, signal.SIGCONT)
    output = output_of(process)
    assert process.returncode == 0, output
    assert differences(whole, paused) == []


@pytest.mark.parametrize('meant', ['all', 0, 1])
def test_ranks_stop_and_save_as_one(script, tmp_path, meant):
    """Without a traceback of their own; `torchrun` shows its own.

    It hands a signal to the group on to its ranks. A signal to one rank is
    that of a scheduler who needs the rank's machine elsewhere.
    """
    work = tmp_path / 'work'
    process = begin_two_ranks([script, work, 500, 'distributed', 'workers'])
    read_until(process, 'iteration 5')
    if meant == 'all':
        os.killpg(process.pid, signal.SIGTERM)
    else:
        ranks = {rank_of(pid): pid for pid in children_of(process.pid)}
        os.kill(ranks[meant], signal.SIGTERM)
    output = output_of(process)
    assert f'Stopped after iteration {stopped_at(work)} of 1000' in output
    assert '[rank' not in output


def rank_of(pid):
    """Read the rank that a launcher has given to a process."""
    environment = Path(f'/proc/{pid}/environ').read_text()
    return int(re.search('\0RANK=(\\d+)\0', environment)[1])


def test_two_processes_go_on_as_one(script, tmp_path):
    """At the sample, and with the schedule, that the run has reached."""
    work = tmp_path / 'work'
    two = begin_two_ranks([script, work, 2, 'distributed'])
    output = output_of(two)
    assert two.returncode == 0, output
    # Two epochs of 8 images, in batches of 2 in each process.
    assert load_run(work / 'epoch_2.pth')['meta']['iter'] == 4
    one = begin([script, work, 3, 'resume'])
    output = output_of(one)
    assert one.returncode == 0, output
    assert re.search(r'after 8 of 12 iterations \(epoch 2 of 3\)', output)
    assert 'processes was 2, is 1' in output
    assert 'iterations of an epoch was 2, is 4' in output
    assert 'train_cfg.max_epochs was 2, is 3' in output
    assert load_run(work / 'epoch_3.pth')['meta']['iter'] == 12
