"""Check whether this machine can run mmsoco.

Each check takes its measurements as arguments, so that tests can fake them,
and makes those that are not given. Packages are imported inside the checks,
because a broken package must become a finding.
"""

import importlib
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from mmsoco.compat import TESTED_VERSIONS, installed_version
from mmsoco.utils.machine import available_cores, available_memory

OK, WARN, FAIL = 'ok', 'warn', 'FAIL'
TESTED_PYTHONS = ((3, 11), (3, 12))
GIB = 2**30
# A batch of 128 images with three views takes about 50 MiB; each worker keeps
# two batches in shared memory.
LEAST_SHARED, ENOUGH_SHARED = 32 * 2**20, GIB
# A checkpoint of a pretraining run takes about 0.5 GB (R50); three are kept.
LEAST_DISK, ENOUGH_DISK = 0.5 * GIB, 5 * GIB
LEAST_MEMORY, ENOUGH_MEMORY = 1 * GIB, 4 * GIB
REINSTALL = 'run `make install` in a clone of mmsoco'


class Finding(NamedTuple):
    """What a check found.

    Attributes:
        status: ``'ok'``, ``'warn'`` or ``'FAIL'``: it will not work.
        subject: What was checked.
        text: What was found.
        remedy: What to do about it; empty where all is well.
    """

    status: str
    subject: str
    text: str
    remedy: str = ''

    def __str__(self) -> str:
        line = f'{self.status:<5}{self.subject:<16}{self.text}'
        return f'{line}; {self.remedy}' if self.remedy else line


def findings() -> Iterator[Finding]:
    """Run all checks; a check that raises is reported as a failure."""
    yield check_python()
    for package in TESTED_VERSIONS:
        yield check_package(package)
    for subject, check in (
        ('device', check_device),
        ('operators', check_operators),
        ('one RoI', check_roi),
        ('search kernels', check_kernels),
        ('cores', check_cores),
        ('memory', check_memory),
        ('shared memory', check_shared_memory),
        ('disk', check_disk),
    ):
        yield _survive(subject, check)


def _survive(subject: str, check: Callable[[], Finding]) -> Finding:
    """Run a check; any error that it raises becomes a finding."""
    try:
        return check()
    except Exception as error:  # a broken package can raise anything
        reason = str(error).splitlines()[0] if str(error) else 'no message'
        return Finding(
            FAIL, subject, f'{type(error).__name__}: {reason}', REINSTALL
        )


def check_python(version: tuple[int, ...] = sys.version_info[:3]) -> Finding:
    """Compare Python with the tested versions."""
    text = '.'.join(map(str, version[:3]))
    if tuple(version[:2]) in TESTED_PYTHONS:
        return Finding(OK, 'Python', text)
    tested = ' and '.join(f'{a}.{b}' for a, b in TESTED_PYTHONS)
    status = FAIL if tuple(version[:2]) < TESTED_PYTHONS[0] else WARN
    return Finding(
        status,
        'Python',
        f'{text}, tested with {tested}',
        'make the environment with `make install PYTHON=python3.11`',
    )


def check_package(
    module: str,
    version: str | None = None,
    load: Callable[[str], Any] = importlib.import_module,
) -> Finding:
    """Compare a package with the window of tested versions, and import it.

    Args:
        module: A key of ``TESTED_VERSIONS``.
        version: Its version; looked up if None.
        load: Imports it.
    """
    lowest, highest = TESTED_VERSIONS[module]
    version = version or installed_version(module)
    if version is None:
        return Finding(FAIL, module, 'not installed', REINSTALL)
    try:
        load(module)
    except Exception as error:  # a broken package may raise anything
        text = f'{version}, its import fails: {error}'
        return Finding(FAIL, module, text, REINSTALL)
    if _numbers(lowest) <= _numbers(version) < _numbers(highest):
        return Finding(OK, module, version)
    return Finding(
        WARN,
        module,
        f'{version}, tested from {lowest} up to, not including, {highest}',
        f'if something fails, {REINSTALL}',
    )


def _numbers(version: str) -> tuple[int, ...]:
    """Return a version as numbers: '1.0.0rc6' is (1, 0, 0)."""
    match = re.match(r'\d+(\.\d+)*', version)
    return tuple(map(int, match.group().split('.'))) if match else ()


def check_device(
    gpus: list[str] | None = None,
    cuda: str | None = None,
    has_driver: bool | None = None,
) -> Finding:
    """Find the device that pretraining would run on.

    Args:
        gpus: Names of the GPUs that torch sees; asked for if None.
        cuda: The CUDA version that torch was built for.
        has_driver: Whether NVIDIA's driver is installed.
    """
    if gpus is None:
        import torch

        cuda = torch.version.cuda
        gpus = [
            torch.cuda.get_device_name(i)
            for i in range(torch.cuda.device_count())
        ]
    if has_driver is None:
        has_driver = shutil.which('nvidia-smi') is not None
    if gpus:
        return Finding(
            OK, 'device', f'{len(gpus)} GPU, {gpus[0]}, CUDA {cuda}'
        )
    if has_driver:
        built = f'built for CUDA {cuda}' if cuda else 'built without CUDA'
        return Finding(
            WARN,
            'device',
            f'a GPU driver is installed, but torch ({built}) sees no GPU',
            'install a torch for the driver: `make install TORCH="torch=='
            '2.13.0 --index-url URL"`; until then the CPU trains',
        )
    return Finding(OK, 'device', 'no GPU: the CPU trains')


def check_operators(
    by_mmcv: bool | None = None,
    by_torchvision: bool | None = None,
    device: str | None = None,
) -> Finding:
    """Find which package provides the compiled operators of the device.

    Args:
        by_mmcv: Whether mmcv's RoIAlign and NMS work; tried if None.
        by_torchvision: Whether torchvision's RoIAlign works.
        device: ``'cpu'`` or ``'cuda'``.
    """
    device = device or _device()
    if by_mmcv is None:
        by_mmcv = _works(_mmcv_operators, device)
    if by_mmcv:
        return Finding(OK, 'operators', f'mmcv, compiled for {device}')
    if by_torchvision is None:
        by_torchvision = _works(_torchvision_operators, device)
    remedy = (
        'to get them, remove the mmcv wheel in ~/.cache/mmsoco/wheels and '
        f'{REINSTALL}'
    )
    if by_torchvision:
        return Finding(
            WARN,
            'operators',
            f'mmcv was not compiled for {device}: pretraining uses those of '
            'torchvision, fine-tuning needs those of mmcv',
            remedy,
        )
    return Finding(
        FAIL,
        'operators',
        f'neither mmcv nor torchvision was compiled for {device}',
        remedy,
    )


def _device() -> str:
    import torch

    return 'cuda' if torch.cuda.is_available() else 'cpu'


def _works(operators: Callable[[str], Any], device: str) -> bool:
    try:
        operators(device)
    except Exception:  # not compiled, missing, or compiled for another torch
        return False
    return True


def _mmcv_operators(device: str) -> None:
    import torch
    from mmcv.ops import RoIAlign, nms

    box = torch.tensor([[0.0, 0, 4, 4]], device=device)
    RoIAlign(1)(
        torch.zeros(1, 1, 8, 8, device=device),
        torch.zeros(1, 5, device=device),
    )
    nms(box, torch.ones(1, device=device), 0.5)


def _torchvision_operators(device: str) -> None:
    import torch
    from torchvision.ops import roi_align

    boxes = torch.zeros(1, 5, device=device)
    roi_align(torch.zeros(1, 1, 8, 8, device=device), boxes, 1)


def check_roi(
    gradient: Callable[[str], float] | None = None, device: str | None = None
) -> Finding:
    """Run RoI pooling forward and backward; the gradient's sum is known.

    Args:
        gradient: Returns the sum of the gradient, 1 if all is well.
        device: ``'cpu'`` or ``'cuda'``.
    """
    device = device or _device()
    total = (gradient or _roi_gradient)(device)
    if abs(total - 1) < 1e-4:
        return Finding(OK, 'one RoI', f'forward and backward on {device}')
    return Finding(
        FAIL,
        'one RoI',
        f'the gradient sums to {total:g} instead of 1 on {device}',
        f'the operators do not fit this torch; {REINSTALL}',
    )


def _roi_gradient(device: str) -> float:
    """Sum the gradient of the mean over one RoI: weights that add up to 1."""
    import torch
    from mmcv.ops import RoIAlign

    from mmsoco.models.roi_pooling import roi_align

    feature = torch.zeros(1, 1, 16, 16, device=device, requires_grad=True)
    boxes = torch.tensor([[0.0, 2, 3, 11, 12]], device=device)
    layer = RoIAlign(7, spatial_scale=1.0, sampling_ratio=2, aligned=True)
    roi_align(layer, feature, boxes).mean().backward()
    return feature.grad.sum().item()


def check_kernels(
    seconds: float | None = None, missed: int | None = None
) -> Finding:
    """Run the search on a small picture; its kernels are compiled once.

    Args:
        seconds: What that took; measured if None.
        missed: Kernels that were not in the cache.
    """
    if seconds is None or missed is None:
        seconds, missed = _run_kernels()
    if missed:
        return Finding(
            OK, 'search kernels', f'compiled now, once, in {seconds:.0f} s'
        )
    return Finding(OK, 'search kernels', f'compiled before ({seconds:.1f} s)')


def _run_kernels() -> tuple[float, int]:
    import numpy as np

    start = time.monotonic()
    from mmsoco.proposals.search.kernels import compiled_now
    from mmsoco.proposals.search.selective_search import selective_search

    selective_search(np.zeros((8, 8, 3), np.uint8))
    return time.monotonic() - start, compiled_now()


def check_cores(cores: int | None = None, gpus: int | None = None) -> Finding:
    """Count the cores, and advise on data workers.

    Args:
        cores: What this process may use; counted if None.
        gpus: Processes of a training on this machine.
    """
    cores = cores or available_cores()
    if gpus is None:
        import torch

        gpus = torch.cuda.device_count()
    # A core per process is left to the training loop itself.
    workers = max(1, cores // max(gpus, 1) - 1)
    text = f'{cores}; train_dataloader.num_workers={workers} is advised'
    if gpus and cores < 4 * gpus:
        return Finding(
            WARN,
            'cores',
            text,
            f'{gpus} GPU will wait for pictures; ask for 8 cores per GPU',
        )
    return Finding(OK, 'cores', text)


def check_memory(available: int | None = None) -> Finding:
    """Judge the free memory in bytes."""
    if available is None:
        available = available_memory()
    if available is None:
        return Finding(OK, 'memory', 'unknown on this system')
    text = f'{available / GIB:.1f} GiB available'
    return _judge(
        'memory',
        text,
        available,
        (LEAST_MEMORY, ENOUGH_MEMORY),
        'close other programs, or lower train_dataloader.batch_size and '
        'num_workers',
    )


def check_shared_memory(
    free: int | None = None, folder: str = '/dev/shm'
) -> Finding:
    """Judge the shared memory through which workers pass batches, in bytes."""
    if free is None:
        if not os.path.isdir(folder):
            return Finding(OK, 'shared memory', f'no {folder} on this system')
        free = shutil.disk_usage(folder).free
    return _judge(
        'shared memory',
        f'{free / GIB:.2f} GiB in {folder}',
        free,
        (LEAST_SHARED, ENOUGH_SHARED),
        'start the container with --shm-size=8g (docker) or --ipc=host, or '
        'set train_dataloader.num_workers=0 and '
        'train_dataloader.persistent_workers=False',
    )


def check_disk(
    free: int | None = None,
    writable: bool | None = None,
    folder: str = '.',
) -> Finding:
    """Judge the disk space for checkpoints and proposals.

    Args:
        free: Bytes; measured if None.
        writable: Whether files can be made there; asked for if None.
        folder: The place.
    """
    if writable is None:
        writable = os.access(folder, os.W_OK)
    if not writable:
        return Finding(
            FAIL,
            'disk',
            f'{os.path.abspath(folder)} cannot be written to',
            'change to a folder that you own, or name one with --work-dir '
            'or --out',
        )
    if free is None:
        free = shutil.disk_usage(folder).free
    return _judge(
        'disk',
        f'{free / GIB:.1f} GiB free in {os.path.abspath(folder)}',
        free,
        (LEAST_DISK, ENOUGH_DISK),
        'make room, or write to another disk with --work-dir or --out',
    )


def _judge(
    subject: str,
    text: str,
    value: float,
    limits: tuple[float, float],
    remedy: str,
) -> Finding:
    """Compare a value with two limits: the least that works, and enough."""
    least, enough = limits
    if value >= enough:
        return Finding(OK, subject, text)
    return Finding(FAIL if value < least else WARN, subject, text, remedy)
