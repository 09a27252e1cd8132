"""Start a training in a separate process, and follow its log."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from mmsoco.utils.machine import limit_spinning
from mmsoco.utils.processes import SAFE_PATH

POLL_SECONDS = 0.3
# A training that is stopped finishes its step and saves.
_STOP_SECONDS = 600.0
_TAIL_LINES = 12


def environment(threads: int | None) -> dict[str, str]:
    """Return the environment of a training.

    OpenMP reads it only once, when torch is loaded, which is one reason for a
    separate process.

    Args:
        threads: Threads of a process; None leaves them to torch.
    """
    values = dict(os.environ, PYTHONWARNINGS='ignore', PYTHONUNBUFFERED='1')
    values.update(SAFE_PATH)
    limit_spinning(values)
    if threads is not None:
        values['OMP_NUM_THREADS'] = values['MKL_NUM_THREADS'] = str(threads)
    return values


def run_child(
    command: Sequence[str],
    log: Path,
    threads: int | None = None,
    on_poll: Callable[[], None] = lambda: None,
    what: str = 'training',
) -> None:
    """Run a Python module in a separate process and wait for it.

    The process ends when this one ends, for any reason.

    Args:
        command: Arguments of ``python``: ``-m``, a module and its arguments.
        log: File for its output, which is appended.
        threads: See `environment`.
        on_poll: Called a few times a second.
        what: Name of the program, for the message.

    Raises:
        ChildProcessError: If the program failed; the message has its error and
            names the log.
        KeyboardInterrupt: Passed on after the program has ended.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open('a', encoding='utf-8') as output:
        begin = output.tell()
        process = subprocess.Popen(
            [sys.executable, '-m', 'mmsoco.workflow.tethered', *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment(threads),
            # Only this process gets Ctrl-C, and ends the other.
            start_new_session=True,
        )
        with process:
            try:
                while process.poll() is None:
                    time.sleep(POLL_SECONDS)
                    on_poll()
            except BaseException:
                _stop(process)
                raise
    on_poll()
    if process.returncode:
        reason = _failure(process.returncode, log, begin)
        raise ChildProcessError(
            f'the {what} failed: {reason} (all of its output: {log}). Fix '
            'the cause and run the same command again to continue.'
        )


def _stop(process: subprocess.Popen) -> None:
    """End a process and its children; a second signal does so at once."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(_STOP_SECONDS)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _failure(status: int, log: Path, begin: int) -> str:
    """Find out why a program failed from its output."""
    with log.open('rb') as file:
        file.seek(begin)
        text = file.read().decode(errors='replace')
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    errors = [i for i, line in enumerate(lines) if line.startswith('error: ')]
    if errors:
        reason = ' '.join(lines[errors[-1] :]).removeprefix('error: ')
    elif status < 0:
        name = signal.Signals(-status).name
        reason = f'it was ended by {name}'
        if name == 'SIGKILL':
            reason += ', most likely because memory ran out'
    else:
        tail = '\n  '.join(lines[-_TAIL_LINES:])
        reason = f'status {status}. The end of its output:\n  {tail}\n'
    return reason


def training_command(
    config: Path, work_dir: Path, devices: int
) -> tuple[str, ...]:
    """Return the command line of a training, after ``python``.

    Args:
        config: Its config.
        work_dir: Its work dir; it resumes from the newest checkpoint there.
        devices: Number of processes.
    """
    words: tuple[str, ...] = ('-m', 'mmsoco', 'train', str(config))
    words += ('--work-dir', str(work_dir), '--resume')
    if devices == 1:
        return words
    launcher = ('-m', 'torch.distributed.run', '--standalone')
    processes = ('--nproc-per-node', str(devices))
    return (*launcher, *processes, *words, '--launcher', 'pytorch')


def resume_notes(work_dir: Path) -> list[tuple[str, str]]:
    """Tell where a training that was called again continues.

    Args:
        work_dir: Its work dir, see `training_command`.

    Returns:
        Pairs of a name and a text for the console, none at the first call.
    """
    from mmsoco.checkpoints.newest import newest_usable  # imports torch

    newest, passed = newest_usable(work_dir)
    notes = [
        ('damaged', f'passed over: {work_dir.name}/{text}') for text in passed
    ]
    if newest is not None:
        notes.append(('resume', f'from {work_dir.name}/{newest.name}'))
    elif any(path.is_dir() for path in work_dir.glob('*')):
        text = 'from the start: the last call left no checkpoint'
        notes.append(('resume', text))
    return notes


def evaluation_command(
    config: Path, checkpoint: Path, work_dir: Path
) -> tuple[str, ...]:
    """Return the command line of an evaluation, after ``python``."""
    words = ('-m', 'mmsoco', 'test', str(config), str(checkpoint))
    return (*words, '--work-dir', str(work_dir))


class ScalarsFollower:
    """Follow the numbers that mmengine logs during a training.

    Args:
        work_dir: Work dir of the training; logs of earlier starts are not
            read.
    """

    def __init__(self, work_dir: Path) -> None:
        self._work_dir = work_dir
        self._old = set(self._files())
        self._offsets: dict[Path, int] = {}

    def new_entries(self) -> Iterator[dict]:
        """Yield the new entries since the last call."""
        for path in self._files():
            if path in self._old:
                continue
            with path.open('rb') as file:
                file.seek(self._offsets.get(path, 0))
                text = file.read()
            complete = text[: text.rfind(b'\n') + 1]
            self._offsets[path] = self._offsets.get(path, 0) + len(complete)
            for line in complete.splitlines():
                yield json.loads(line)

    def _files(self) -> list[Path]:
        return sorted(self._work_dir.glob('*/vis_data/scalars.json'))
