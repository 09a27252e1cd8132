"""Processes that tests start, watch and end."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from mmsoco.utils.processes import is_alive
from mmsoco.utils.stop_signals import leave_signals_to_parent

# Seconds that only what hangs takes, however busy the machine is.
PATIENCE = 600
_begun = []
# A training by `small_runs`, with a directory, epochs, and further words.
TRAIN = """
import sys, time
sys.path.insert(0, {tests!r})
from small_runs import diary, small_runner

runner = small_runner(
    sys.argv[1],
    launcher='pytorch' if 'distributed' in sys.argv else 'none',
    experiment_name='processes',
    train_cfg=dict(max_epochs=int(sys.argv[2])),
    train_dataloader=dict(
        num_workers=2 if 'workers' in sys.argv else 0,
        persistent_workers='persistent' in sys.argv,
    ),
    resume='resume' in sys.argv,
)


def slowly(runner):
    print('iteration', runner.iter, flush=True)
    time.sleep(0.2)


diary(runner).on_iter = slowly
runner.train()
"""


def write_training(folder):
    """Write the script of a training; return its path."""
    path = folder / 'train.py'
    path.write_text(TRAIN.format(tests=str(Path(__file__).parent)))
    return path


def begin(command, program=(sys.executable,)):
    """Start a program in a group of its own, which listens to Ctrl-C."""
    process = subprocess.Popen(
        [*program, *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    _begun.append(process)
    return process


def begin_two_ranks(command):
    """Start a program twice, by torchrun; see `begin`."""
    launch = ['-m', 'torch.distributed.run', '--nproc_per_node=2']
    return begin([*launch, f'--master_port={free_port()}', *command])


def end_begun():
    """End what `begin` has started and a test that failed has left."""
    while _begun:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(_begun.pop().pid, signal.SIGKILL)


def output_of(process):
    """Wait for a program; return what it prints from now on."""
    return process.communicate(timeout=PATIENCE)[0]


def read_until(process, text):
    """Read what a program prints up to a line with a text."""
    read = []
    for line in process.stdout:
        read.append(line)
        if text in line:
            return
    raise AssertionError(''.join(read))


def free_port():
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def wait_for(condition, seconds=PATIENCE):
    """Wait until a condition is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError('waited in vain')


def children_of(pid):
    """Return the children of a process."""
    listed = Path(f'/proc/{pid}/task/{pid}/children').read_text()
    return [int(child) for child in listed.split()]


def assert_child_ends_with(code):
    """Kill a program that printed the number of its child; wait for that."""
    parent = subprocess.Popen(
        [sys.executable, '-c', code], stdout=subprocess.PIPE, text=True
    )
    child = int(parent.stdout.readline())
    assert is_alive(child)
    parent.kill()
    parent.wait()
    wait_for(lambda: not is_alive(child))


def answer_as_worker(connection):
    """Send back what is received, as a worker, once it has become one."""
    connection.recv()
    leave_signals_to_parent()
    connection.send('ready')
    while True:
        connection.send(connection.recv())
