"""Run the steps of a longer job; skip finished ones, stop at a failure.

A step is a command that a user could type. Its output goes to a log, and its
time goes to a record, so that a job that was stopped continues where it was,
and a report can show it.
"""

import hashlib
import json
import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mmsoco.utils.files import write_json
from mmsoco.utils.processes import SAFE_PATH

POLL_SECONDS = 0.2
# Between two signs of life where the output is not a terminal.
NEWS_SECONDS = 30.0
# A line of mmengine's log has the learning rate, the time left and the loss
# within this width; all its numbers are in the log.
NEWS_WIDTH = 140
_LOG_HEAD = re.compile(r'^[\d/]+ [\d:]+ - mmengine - [A-Z]+ - ')
TAIL_LINES = 25


@dataclass(frozen=True)
class Step:
    """A command and its output files.

    Attributes:
        name: Short name, also that of the log.
        title: What it does, in a few words.
        command: Program and arguments; ``python`` means this Python.
        outputs: Files that exist when it is done.
        stale: Files and folders to remove first where another step, or this
            one with other inputs, made them: it would continue from them.
        inputs: Files that belong to the command, such as configs: the step
            is done again when they have changed.
    """

    name: str
    title: str
    command: tuple[str, ...]
    outputs: tuple[Path, ...]
    stale: tuple[Path, ...] = ()
    inputs: tuple[Path, ...] = ()

    def fingerprint(self) -> str:
        """SHA-256 that changes when the step would do something else."""
        digest = hashlib.sha256(shlex.join(self.command).encode())
        for path in self.inputs:
            digest.update(path.read_bytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Record:
    """What a step took.

    Attributes:
        command: As typed.
        seconds: Wall time.
        cpu_seconds: Time of all its processes on all cores.
        peak_mib: Memory of its largest process, MiB.
        fingerprint: Of the step when it ran.
    """

    command: str
    seconds: float
    cpu_seconds: float
    peak_mib: float
    fingerprint: str


class StepError(RuntimeError):
    """A step failed; the message has its log and the end of it."""


class Job:
    """Steps in their order, with their logs and records in a folder.

    Args:
        folder: Where ``logs/`` and ``steps.json`` are kept.
        steps: In the order to run them; each may need all before it.
        environment: Variables that the commands get besides this process's.
    """

    def __init__(
        self, folder: Path, steps: Sequence[Step], environment: dict[str, str]
    ) -> None:
        self.folder = folder
        self.steps = steps
        self.environment = environment
        self.records = read_records(folder)

    def run(self) -> None:
        """Run the steps that are not done.

        A step that runs makes all later ones run again.

        Raises:
            StepError: If a step failed.
        """
        stale = False
        for number, step in enumerate(self.steps, start=1):
            heading = f'[{number}/{len(self.steps)}] {step.title}'
            if not stale and self.is_done(step):
                seconds = self.records[step.name].seconds
                print(
                    f'{heading}: done before, in {seconds:.0f} s', flush=True
                )
                continue
            if len(self.steps) > 1:  # else the caller has named it
                print(heading, flush=True)
            print(f'      $ {shlex.join(step.command)}', flush=True)
            if stale or self.has_changed(step):
                _remove(step.stale)
            stale = True
            self._forget(number - 1)
            self.records[step.name] = self._run(number, step)
            self._save()
            record = self.records[step.name]
            print(
                f'      {record.seconds:.0f} s ({record.cpu_seconds:.0f} s of '
                f'CPU time, {record.peak_mib:.0f} MiB)',
                flush=True,
            )

    def is_done(self, step: Step) -> bool:
        """Return whether a step needs no run."""
        record = self.records.get(step.name)
        return (
            record is not None
            and record.fingerprint == step.fingerprint()
            and all(path.exists() for path in step.outputs)
        )

    def has_changed(self, step: Step) -> bool:
        """Return whether another step has made or begun the outputs."""
        begun = self._begun(step)
        return not begun.is_file() or begun.read_text() != step.fingerprint()

    def log_path(self, step: Step) -> Path:
        """Return where the output of a step goes."""
        return self.folder / 'logs' / f'{step.name}.log'

    def _begun(self, step: Step) -> Path:
        return self.folder / 'logs' / f'{step.name}.begun'

    def _forget(self, first: int) -> None:
        for step in self.steps[first:]:
            self.records.pop(step.name, None)
        self._save()

    def _save(self) -> None:
        records = {
            name: asdict(record) for name, record in self.records.items()
        }
        write_json(self.folder / 'steps.json', records, indent=2)

    def _run(self, number: int, step: Step) -> Record:
        log = self.log_path(step)
        log.parent.mkdir(parents=True, exist_ok=True)
        self._begun(step).write_text(step.fingerprint())
        program = _program(step.command)
        start = time.monotonic()
        with log.open('w') as output:
            process = subprocess.Popen(
                program,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | SAFE_PATH | self.environment,
            )
            status, usage = _wait(process, log)
        if status != 0:
            raise StepError(_failure(number, step, log, status))
        return Record(
            command=shlex.join(step.command),
            seconds=time.monotonic() - start,
            cpu_seconds=usage.ru_utime + usage.ru_stime,
            peak_mib=usage.ru_maxrss / 1024,
            fingerprint=step.fingerprint(),
        )


def _program(command: Sequence[str]) -> list[str]:
    """Return the program and arguments that run a command.

    A Python module is tied to this process: it must not keep running after
    the job was killed, since the next call would meet it in its folder.
    """
    if tuple(command[:2]) != ('python', '-m'):
        return [sys.executable if c == 'python' else c for c in command]
    tether = ['-m', 'mmsoco.workflow.tethered']
    return [sys.executable, *tether, *command[1:]]


def read_records(folder: Path) -> dict[str, Record]:
    """Read the records of a job, none if there are none."""
    path = folder / 'steps.json'
    if not path.is_file():
        return {}
    try:
        records = json.loads(path.read_text(encoding='utf-8'))
        return {name: Record(**record) for name, record in records.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(
            f'{path} is damaged ({error}); remove it, and all steps are done '
            'again'
        ) from error


def last_line(log: Path) -> str:
    """Return the last line of a log, without time and level."""
    with log.open('rb') as file:
        file.seek(max(0, log.stat().st_size - 4096))
        text = file.read().decode(errors='replace')
    lines = [
        line for line in text.replace('\r', '\n').split('\n') if line.strip()
    ]
    return _LOG_HEAD.sub('', lines[-1].strip()) if lines else ''


def _remove(paths: Sequence[Path]) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _wait(
    process: subprocess.Popen, log: Path
) -> tuple[int, resource.struct_rusage]:
    """Wait for a process and show the end of its log meanwhile."""
    start = news = time.monotonic()
    try:
        # Not Popen.wait: it throws away the resource usage.
        while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
            time.sleep(POLL_SECONDS)
            now = time.monotonic()
            if sys.stdout.isatty():
                _show(f'      {now - start:4.0f} s  {last_line(log)}')
            elif now - news > NEWS_SECONDS:
                news = now
                news_line = f'      {now - start:4.0f} s  {last_line(log)}'
                print(news_line[:NEWS_WIDTH], flush=True)
    except BaseException:
        process.send_signal(signal.SIGTERM)
        try:
            os.wait4(process.pid, 0)
        except KeyboardInterrupt:  # a second signal
            process.kill()
        raise
    finally:
        if sys.stdout.isatty():
            _show('')
    process.returncode = os.waitstatus_to_exitcode(ended[1])
    return process.returncode, ended[2]


def _show(text: str) -> None:
    """Replace the terminal's current line."""
    width = shutil.get_terminal_size().columns - 1
    print(f'\r\x1b[K{text[:width]}', end='', flush=True)


def _failure(number: int, step: Step, log: Path, status: int) -> str:
    tail = log.read_text(errors='replace').splitlines()[-TAIL_LINES:]
    return '\n'.join(
        [
            *(f'      | {line}' for line in tail),
            f'step {number} ({step.title}) failed with status {status}; '
            f'its whole output is in {log}. Fix the cause and run the same '
            'command again: it continues from here.',
        ]
    )
