"""Processes that are killed, meet each other, or find their port taken."""

import os
import re
import signal
import socket
import subprocess
import sys

import pytest
from real_processes import (
    begin,
    begin_two_ranks,
    children_of,
    output_of,
    read_until,
    wait_for,
)

from mmsoco.checkpoints.io import load_run
from mmsoco.utils.processes import is_alive


@pytest.mark.slow
def test_ranks_end_with_a_launcher_that_was_killed(script, tmp_path):
    work = tmp_path / 'work'
    process = begin_two_ranks([script, work, 50000, 'distributed'])
    read_until(process, 'iteration 5')
    ranks = children_of(process.pid)
    assert len(ranks) == 2
    process.kill()
    process.wait()
    wait_for(lambda: not any(is_alive(rank) for rank in ranks))
    # What users then type: it meets nobody, and resumes.
    again = begin_two_ranks([script, work, 4, 'distributed', 'resume'])
    output = output_of(again)
    assert again.returncode == 0, output
    assert load_run(work / 'epoch_4.pth')['meta']['epoch'] == 4


@pytest.mark.slow
def test_ctrl_c_saves_and_a_second_training_is_refused(script, tmp_path):
    work = tmp_path / 'work'
    first = begin([script, work, 500])
    read_until(first, 'iteration 5')
    second = begin([script, work, 500, 'resume'])
    output = output_of(second)
    assert second.returncode == 1
    assert f'in use: process {first.pid} of' in output
    first.send_signal(signal.SIGINT)
    output = output_of(first)
    (stopped,) = re.findall(r'INFO - Stopped after iteration (\d+)', output)
    assert load_run(work / 'interim.pth')['meta']['iter'] == int(stopped)
    third = begin([script, work, 2, 'resume'])
    output = output_of(third)
    assert third.returncode == 0, output
    assert f'after {stopped} of 8' in output


@pytest.mark.slow
@pytest.mark.parametrize('sent', [signal.SIGINT, signal.SIGTERM])
def test_the_signals_of_a_launcher_save(script, tmp_path, sent):
    work = tmp_path / 'work'
    process = begin_two_ranks([script, work, 500, 'distributed'])
    read_until(process, 'iteration 5')
    process.send_signal(sent)
    output_of(process)
    assert load_run(work / 'interim.pth')['meta']['iter'] >= 5


@pytest.mark.parametrize(
    ('variables', 'gpus', 'message'),
    [
        (dict(PORT='{taken}'), '1', 'port {taken} cannot be used.*PORT='),
        (dict(PORT='70000'), '1', "PORT is a number.*'70000'"),
        (dict(PORT='x'), '1', "PORT is a number.*'x'"),
        ({}, '0', "GPUS is a number of processes, got '0'"),
        ({}, 'two', "got 'two'"),
        (dict(NNODES='x'), '1', "NNODES is a number of machines, got 'x'"),
        (dict(NNODES='0'), '1', "NNODES is a number of machines, got '0'"),
        (dict(NODE_RANK='1'), '1', "NODE_RANK is .*0 to 0 .*got '1'"),
        (dict(NNODES='2', NODE_RANK='x'), '1', "NODE_RANK .*0 to 1 .*'x'"),
        # Each machine would wait for the other one, at its own address.
        (dict(NNODES='2'), '1', 'NNODES=2 needs .*MASTER_ADDR='),
        (dict(NNODES='2', NODE_RANK='1'), '1', 'needs .*MASTER_ADDR='),
    ],
)
def test_ports_and_numbers_of_processes(repo_dir, variables, gpus, message):
    with socket.socket() as holder:
        holder.bind(('127.0.0.1', 0))
        holder.listen()
        taken = holder.getsockname()[1]
        variables = {k: v.format(taken=taken) for k, v in variables.items()}
        done = subprocess.run(
            ['bash', repo_dir / 'tools' / 'dist_train.sh', 'config.py', gpus],
            env=dict(os.environ, PYTHON=sys.executable, **variables),
            capture_output=True,
            text=True,
        )
    assert done.returncode == 1
    assert re.search(message.format(taken=taken), done.stderr)
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize('tool', ['train', 'test'])
def test_the_launcher_gets_what_was_typed(repo_dir, tmp_path, tool):
    """`test_two_processes_train_as_one` starts the processes, slowly."""
    python = tmp_path / 'python'
    python.write_text('#!/bin/sh\n[ "$1" = - ] || printf "%s\\n" "$@"\n')
    python.chmod(0o755)
    door = repo_dir / 'tools' / f'dist_{tool}.sh'
    config, rest = 'my config.py', ['last.pth', '--work-dir=a b']
    done = subprocess.run(
        ['bash', door, config, '2', *rest],
        env=dict(os.environ, PYTHON=str(python), PORT='12345'),
        check=True,
        capture_output=True,
        text=True,
    )
    launcher, script, arguments = done.stdout.partition(
        f'{repo_dir}/tools/{tool}.py\n'
    )
    expected = [config, *rest, '--launcher', 'pytorch']
    assert script and arguments.splitlines() == expected
    assert launcher.startswith('-m\ntorch.distributed.run\n')
    options = launcher.splitlines()
    assert '--nproc_per_node=2' in options
    assert '--master_port=12345' in options


@pytest.mark.parametrize(
    ('variables', 'expected'),
    [
        (dict(GPUS='2'), '--ntasks=2\n--ntasks-per-node=2\n'),
        (dict(GPUS='16'), '--ntasks=16\n--ntasks-per-node=8\n'),
        (dict(GPUS='x'), "error: GPUS is a number of 1 or more, got 'x'\n"),
        (dict(GPUS='0'), "GPUS is a number of 1 or more, got '0'\n"),
        (dict(CPUS_PER_TASK='-1'), "CPUS_PER_TASK is .* got '-1'\n"),
    ],
)
def test_slurm_gets_what_was_typed(repo_dir, tmp_path, variables, expected):
    srun = tmp_path / 'srun'
    srun.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    srun.chmod(0o755)
    path = f'{tmp_path}{os.pathsep}{os.environ["PATH"]}'
    done = subprocess.run(
        ['bash', repo_dir / 'tools' / 'slurm_train.sh', 'p', 'j', 'a b.py'],
        env=dict(os.environ, PATH=path, **variables),
        capture_output=True,
        text=True,
    )
    assert re.search(expected, done.stdout + done.stderr)
    is_refused = 'error' in done.stderr
    assert (done.returncode, '\na b.py\n' in done.stdout) == (
        is_refused, not is_refused,
    )  # fmt: skip
