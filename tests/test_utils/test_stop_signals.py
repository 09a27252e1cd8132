"""What a process and its workers make of Ctrl-C, SIGTERM and SIGHUP."""

import multiprocessing
import os
import pty
import signal
import subprocess
import sys
import time

import pytest
from real_processes import answer_as_worker, assert_child_ends_with

from mmsoco.utils import stop_signals
from mmsoco.utils.stop_signals import (
    STOPPING,
    StoppedError,
    StopSignals,
    held_back,
)


@pytest.fixture
def clock(monkeypatch):
    """The time that `StopSignals` sees; a test sets it."""
    now = [100.0]
    monkeypatch.setattr(stop_signals.time, 'monotonic', lambda: now[0])
    return now


def receive(number):
    """Handlers run before this returns, whatever other threads there are."""
    signal.raise_signal(number)


@pytest.mark.parametrize('second', STOPPING)
@pytest.mark.parametrize('first', STOPPING)
def test_first_echo_and_second(clock, first, second):
    heard = []
    with StopSignals(
        lambda number, _: heard.append(('first', number)),
        lambda number, _: heard.append(('second', number)),
    ) as stop:
        assert stop.requested is None
        receive(first)
        clock[0] += 0.05
        receive(second)  # as `timeout` does
        assert heard == [('first', first)]
        clock[0] += 2
        receive(second)
    assert heard == [('first', first), ('second', second)]
    assert stop.requested == first


def test_a_signal_waits_for_the_import_of_torch():
    """Its C++ part aborted the process, with a stack of 70 lines."""
    of_torch = dict(__name__='torch.some', receive=receive, imported=[])
    with pytest.raises(StoppedError), StopSignals():
        exec('receive(15); imported.append(1)', of_torch)
        for _ in range(1000):  # until it comes again
            time.sleep(0.01)
    assert of_torch['imported']


def test_two_ctrl_c_of_one_hand_are_two(clock):
    with StopSignals(lambda *_: None):
        receive(signal.SIGINT)
        clock[0] += 0.2
        with pytest.raises(KeyboardInterrupt):
            receive(signal.SIGINT)


@pytest.mark.parametrize(
    ('sent', 'raised', 'text'),
    [
        (signal.SIGTERM, StoppedError, 'SIGTERM'),
        (signal.SIGHUP, StoppedError, 'SIGHUP'),
        (signal.SIGINT, KeyboardInterrupt, ''),
    ],
)
def test_without_other_answers_they_raise(sent, raised, text):
    before = [signal.getsignal(number) for number in STOPPING]
    with pytest.raises(raised) as caught, StopSignals():
        receive(sent)
    assert text in str(caught.value)
    assert getattr(caught.value, 'number', signal.SIGINT) == sent
    assert [signal.getsignal(number) for number in STOPPING] == before


def test_cleaning_up_is_not_cut_short_by_an_echo():
    cleaned = []
    with pytest.raises(StoppedError), StopSignals():
        try:
            with StopSignals():
                receive(signal.SIGTERM)
        finally:
            receive(signal.SIGTERM)
            with StopSignals():  # such as waiting for a child
                receive(signal.SIGHUP)
            cleaned.append(True)
    assert cleaned


def test_what_nohup_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopSignals() as stop:
            receive(signal.SIGHUP)
        assert stop.requested is None
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


TALKING = """
import sys, time
from mmsoco.utils.stop_signals import StopSignals

with StopSignals(lambda *_: None) as stop:
    print('ready', flush=True)
    while stop.requested is None:
        time.sleep(0.05)
    print('nobody reads this', flush=True)
    print('nor this', file=sys.stderr, flush=True)
"""


def test_output_after_the_terminal_was_closed_does_no_harm():
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, '-c', TALKING])
    assert b'ready' in os.read(terminal, 100)
    os.close(terminal)
    assert os.waitpid(pid, 0)[1] == 0


def test_held_back_signals_come_later():
    heard = []
    with StopSignals(lambda number, _: heard.append(number)):
        with held_back():
            receive(signal.SIGTERM)
            assert not heard
        assert heard == [signal.SIGTERM]


@pytest.fixture(params=['fork', 'spawn'])
def worker(request, monkeypatch):
    """Start a worker; it gets signals before it has left them."""
    context = multiprocessing.get_context(request.param)
    monkeypatch.setattr(
        multiprocessing, 'get_start_method', context.get_start_method
    )
    here, there = context.Pipe()
    process = context.Process(
        target=answer_as_worker, args=(there,), daemon=True
    )
    with held_back():
        process.start()
    send_from_outside(process.pid)
    here.send('go')
    assert here.poll(60) and here.recv() == 'ready'
    yield process, here
    process.kill()
    process.join()


def send_from_outside(pid):
    """Send all stop signals from a process that is not the parent."""
    script = 'for s in INT HUP TERM; do kill -$s "$0"; done'
    subprocess.run(['bash', '-c', script, str(pid)], check=True)


def test_a_worker_obeys_nobody_but_its_parent(worker):
    process, pipe = worker
    send_from_outside(process.pid)
    pipe.send('still there')
    assert pipe.poll(60) and pipe.recv() == 'still there'
    deadline = time.monotonic() + 60
    while process.is_alive() and time.monotonic() < deadline:
        process.terminate()  # again: pending signals of a kind are one
        process.join(1)
    assert process.exitcode == 0


ORPHANS = """
import multiprocessing, os, time
from mmsoco.utils.stop_signals import held_back, leave_signals_to_parent


def hang(pipe):
    leave_signals_to_parent()
    pipe.send(os.getpid())
    time.sleep(600)


context = multiprocessing.get_context('fork')
here, there = context.Pipe()
with held_back():
    context.Process(target=hang, args=(there,)).start()
print(here.recv(), flush=True)
time.sleep(600)
"""


def test_a_worker_that_hangs_ends_with_its_parent():
    assert_child_ends_with(ORPHANS)
