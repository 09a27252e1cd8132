"""One process at a time works in a folder."""

import errno
import fcntl
import os
import signal
import subprocess
import sys

import pytest
from real_processes import assert_child_ends_with

from mmsoco.utils import locks
from mmsoco.utils.locks import FileLock, FolderLock

HOLD = """
import sys, time, os
from mmsoco.utils.locks import FolderLock
FolderLock(sys.argv[1], 'training').acquire()
if os.fork() == 0:
    time.sleep(60)  # a data worker that outlives its parent
    os._exit(0)
print('held', flush=True)
time.sleep(60)
"""


@pytest.fixture
def owner(tmp_path):
    """A process that holds the lock, with a child."""
    process = subprocess.Popen(
        [sys.executable, '-c', HOLD, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout.readline() == 'held\n'
    yield process
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_a_released_lock_can_be_taken_again(tmp_path):
    lock = FolderLock(tmp_path, 'training')
    with lock, pytest.raises(BlockingIOError, match=f'{os.getpid()}'):
        FolderLock(tmp_path, 'testing').acquire()
    with FolderLock(tmp_path, 'training'):
        pass
    lock.release()  # a second time does nothing


@pytest.fixture(params=['flock', 'no flock'])
def file_system(request, monkeypatch):
    """With locks or, as some network file systems, without them."""

    def refuse(*_):
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    if request.param == 'no flock':
        monkeypatch.setattr(locks.fcntl, 'flock', refuse)


@pytest.mark.usefixtures('file_system')
def test_the_owner_is_named_and_a_kill_gives_the_lock_back_at_once(
    owner, tmp_path
):
    with pytest.raises(
        BlockingIOError, match=f'in use: process {owner.pid} of .* training'
    ):
        FolderLock(tmp_path, 'training').acquire()
    owner.kill()
    owner.wait()
    with FolderLock(tmp_path, 'training'):
        pass


@pytest.mark.usefixtures('file_system')
def test_an_owner_on_another_machine_is_respected(
    owner, tmp_path, monkeypatch
):
    """Its number is that of no process, or of any one, here."""
    monkeypatch.setattr(locks.platform, 'node', lambda: 'elsewhere')
    owner.send_signal(signal.SIGSTOP)
    monkeypatch.setattr(locks, 'is_same', lambda *_: False)
    with pytest.raises(
        BlockingIOError,
        match=r'process .* is training there. .*--work-dir\). If that machine '
        rf'or container is gone, remove {tmp_path}/.lock',
    ):
        FolderLock(tmp_path, 'training').acquire()
    (tmp_path / '.lock').unlink()
    with FolderLock(tmp_path, 'training'):
        pass


def test_a_lock_file_that_its_owner_removes_is_no_second_lock(tmp_path):
    """A waits with the file open while B removes it; then C makes another."""
    path = tmp_path / 'lock'

    def remove_then_lock(*arguments):
        monkey.undo()
        path.unlink()
        path.touch()
        fcntl.flock(*arguments)

    with pytest.MonkeyPatch.context() as monkey:
        monkey.setattr(locks.fcntl, 'flock', remove_then_lock)
        with FileLock(path, tmp_path, 'waiting'):
            with pytest.raises(BlockingIOError, match='is waiting. Wait'):
                FileLock(path, tmp_path, 'beginning').acquire()
    assert not path.exists()


ORPHAN = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, '-c', '''
import time
from mmsoco.utils.processes import die_with_parent
die_with_parent()
print("watching", flush=True)
time.sleep(60)
'''], stdout=subprocess.PIPE, text=True)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(60)
"""


def test_a_rank_ends_with_its_launcher():
    assert_child_ends_with(ORPHAN)
