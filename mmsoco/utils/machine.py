"""Describe the machine: cores, memory, versions."""

import datetime
import math
import os
import platform
from collections.abc import MutableMapping
from importlib import metadata
from pathlib import Path

from mmsoco.version import __version__

PACKAGES = (
    'torch',
    'mmcv',
    'mmengine',
    'mmdet',
    'mmselfsup',
    'numpy',
    'numba',
    'opencv-python',
    'pillow',
)
# A typing error must not start thousands of processes.
MOST_PROCESSES_PER_CORE = 16
# Iterations of an OpenMP thread's waiting loop before it sleeps. torch's
# wheels include GNU's libgomp, whose default of 300,000 takes about 15 ms on
# CPUs with a slow PAUSE instruction: if another job runs, the spinning threads
# occupy cores that others need. Without spinning (OMP_WAIT_POLICY=PASSIVE),
# each of the thousand parallel regions of a step costs a wake-up. 3,000
# iterations, 0.1 to 0.2 ms, are enough to bridge the gaps within a step.
SPIN_COUNT = 3000
# The same for Intel's and LLVM's OpenMP, in ms; their default is 200.
BLOCK_TIME = 1


def available_cores() -> int:
    """Count the cores that this process may use.

    These are fewer than the machine's if the process is pinned, or if its
    control group has a quota, as in containers.
    """
    if hasattr(os, 'sched_getaffinity'):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, min(cores, _quota() or cores))


def _quota() -> int | None:
    """Return the whole cores of the control group's quota, None if none."""
    path = Path('/sys/fs/cgroup/cpu.max')
    try:
        allowed, period = path.read_text().split()
        return math.ceil(int(allowed) / int(period))
    except (OSError, ValueError):  # no such file, or "max"
        return None


def describe_machine() -> list[tuple[str, str]]:
    """Return date, processor, system and versions, as name and text."""
    now = datetime.datetime.now().astimezone()
    return [
        ('date', now.strftime('%Y-%m-%d %H:%M %Z')),
        ('processor', f'{_processor()}, {os.cpu_count()} cores'),
        ('gpu', _gpu()),
        ('system', f'{platform.system()} {platform.machine()}'),
        ('versions', ', '.join(_versions())),
    ]


def available_memory() -> int | None:
    """Return the bytes of memory that this process can still use.

    The minimum of the system's free memory and the limits of its control group
    (such as a container); None if neither can be read.
    """
    free = []
    for line in _lines('/proc/meminfo'):
        if line.startswith('MemAvailable:'):
            free.append(int(line.split()[1]) * 1024)
    folder = Path('/sys/fs/cgroup')
    limit, used = (
        next(iter(_lines(folder / name)), '')
        for name in ('memory.max', 'memory.current')
    )
    if limit.isdecimal() and used.isdecimal():
        # Memory of cached files is available to programs.
        cached = (
            int(line.split()[1])
            for line in _lines(folder / 'memory.stat')
            if line.startswith('file ')
        )
        free.append(max(int(limit) - int(used) + sum(cached), 0))
    return min(free, default=None)


def _lines(path: str | Path) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def _processor() -> str:
    path = Path('/proc/cpuinfo')
    if path.is_file():
        for line in path.read_text().splitlines():
            if line.startswith('model name'):
                return line.partition(':')[2].strip()
    return platform.processor() or 'unknown'


def _gpu() -> str:
    import torch  # late: this package imports the standard library only

    if not torch.cuda.is_available():
        return 'none'
    return f'{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}'


def _versions() -> list[str]:
    found = [f'mmsoco {__version__}', f'Python {platform.python_version()}']
    for package in PACKAGES:
        # the maintained forks publish the same packages under other names
        for name in (package, f'onedl-{package}', 'onedl-mmdetection'):
            try:
                found.append(f'{name} {metadata.version(name)}')
                break
            except metadata.PackageNotFoundError:
                continue
    return found


def limit_spinning(environ: MutableMapping[str, str]) -> None:
    """Let waiting OpenMP threads sleep soon, unless the user has set this.

    This takes effect in a process that loads torch afterwards.

    Args:
        environ: Environment of that process, such as `os.environ`.
    """
    if 'OMP_WAIT_POLICY' not in environ:
        environ.setdefault('GOMP_SPINCOUNT', str(SPIN_COUNT))
        environ.setdefault('KMP_BLOCKTIME', str(BLOCK_TIME))
