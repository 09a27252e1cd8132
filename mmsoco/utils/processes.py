"""End with the parent process, and check whether another one is alive."""

import ctypes
import hashlib
import os
import platform
import signal
import sys
import threading
import time
from functools import cache
from pathlib import Path

# Environment of a program that imports nothing from the working directory,
# which is the user's: a `random.py` there, or the clone's own folder `mmsoco`,
# would be found before the packages of those names.
SAFE_PATH = {'PYTHONSAFEPATH': '1'}
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_POLL_SECONDS = 1.0
# Of /proc/PID/stat, counted from the state (proc(5): 22, from 3).
_START_FIELD = 19


def die_with_parent() -> None:
    """Let this process end as soon as its parent has ended.

    The kernel kills it where it can (Linux); elsewhere a thread watches. This
    is for the ranks of a distributed training: without their launcher they
    would keep running, and meet the run that resumes them.
    """
    parent = os.getppid()
    if sys.platform == 'linux' and not ctypes.CDLL(None).prctl(
        _PR_SET_PDEATHSIG, signal.SIGKILL
    ):
        if os.getppid() != parent:  # it ended before the kernel was asked
            os._exit(1)
        return

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_POLL_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def is_alive(pid: int) -> bool:
    """Return whether a process of this machine exists.

    Args:
        pid: Its number.

    Returns:
        Whether it exists; one that has ended and was not waited for by its
        parent (a zombie) does not.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def is_same(pid: int, start: int | None) -> bool:
    """Return whether a process that was noted still exists.

    Args:
        pid: Its number on this machine.
        start: When it began, see `start_of`; None if that was not noted.
    """
    return is_alive(pid) and start in (None, start_of(pid))


@cache
def machine_code() -> str:
    """Return 8 hex digits of the machine or container of this process.

    Only there do the numbers of its processes mean anything. Containers may
    share the name of their machine, but not its processes.
    """
    try:
        processes = os.readlink('/proc/self/ns/pid')
    except OSError:
        processes = ''
    name = f'{platform.node()} {processes}'
    return hashlib.sha256(name.encode()).hexdigest()[:8]


def _is_zombie(pid: int) -> bool:
    """Return whether a process has ended and was not waited for."""
    return _status(pid)[:1] == ['Z']


def start_of(pid: int) -> int:
    """Return when a process began, in ticks since the machine did.

    Args:
        pid: Its number.

    Returns:
        The time, by which a later process of the same number is told apart;
        0 where there is no such process or the system does not say.
    """
    fields = _status(pid)
    return int(fields[_START_FIELD]) if fields else 0


def _status(pid: int) -> list[str]:
    """Read the state of a process and what follows it, if the system tells."""
    try:
        status = Path('/proc', str(pid), 'stat').read_text()
    except OSError:
        return []
    # The name before it may hold blanks and brackets.
    return status.rpartition(')')[2].split()
