"""Calls of the command `mmsoco` in this process, and of Python in another."""

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from mmsoco.cli.main import main


class Outcome(NamedTuple):
    """What a user sees of a call: exit status, standard output and errors."""

    status: int
    out: str
    err: str


def call(*argv: object) -> Outcome:
    """Call `mmsoco` with arguments of any type."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main([str(word) for word in argv])
        except SystemExit as exit_:
            status = exit_.code
    return Outcome(status, out.getvalue(), err.getvalue())


def succeed(*argv: object) -> str:
    """Call `mmsoco`, expect success, return what it printed."""
    outcome = call(*argv)
    assert outcome.status == 0, outcome.err
    return outcome.out


def python(*words: object, **options: object) -> subprocess.CompletedProcess:
    """Run this Python in a new process; keep what it prints."""
    command = [sys.executable, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, **options)


def assert_refused(outcome: Outcome, message: str) -> None:
    """Check that a call ended with a message, a pattern, and no traceback."""
    assert outcome.status == 1
    assert re.search(f'error: .*{message}', outcome.err), outcome.err
    assert 'Traceback (' not in outcome.err


def state_of(folder: Path) -> dict[Path, int]:
    """Return what a folder holds, and when it was written."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob('*')}
