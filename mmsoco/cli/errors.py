"""The one way in which errors reach the user of a command."""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmsoco.utils.stop_signals import StopSignals

# What bad input raises: a wrong path, value, type or name, a full disk.
USER_ERRORS = (OSError, ValueError, TypeError, LookupError, ImportError)
TRACEBACK_NAME = 'error.txt'
INTERRUPTED = 'interrupted; run the same command to start over'
_NO_WORKERS = (
    'Set train_dataloader.num_workers=0 and '
    'train_dataloader.persistent_workers=False'
)
# Remedies for errors of torch, by a part of their text.
HINTS = {
    'out of memory': 'Lower train_dataloader.batch_size, or --batch-size',
    'shared memory': f'{_NO_WORKERS}, or see `mmsoco doctor`',
    'bus error': f'{_NO_WORKERS}, or see `mmsoco doctor`',
    'address already in use': 'Set another port: PORT=29501',
    'eaddrinuse': 'Set another port: PORT=29501',
}
# What the disk could not take.
_FREE = ': free space where the output is written, then try again'
_FULL = {
    errno.ENOSPC: _FREE,
    errno.EDQUOT: _FREE,
    errno.EFBIG: ': raise the limit of file sizes (`ulimit -f`), or choose '
    'another disk',
}
# The folder belongs to another run, and is left as it is.
_OF_OTHERS = (FileExistsError, BlockingIOError)
STATUS_ERROR = 1
# Shells add this to the signal that has ended a program.
STATUS_SIGNAL = 128


def call_reported(
    run: Callable[[argparse.Namespace], int | None],
    args: argparse.Namespace,
    interrupted: str = INTERRUPTED,
) -> int:
    """Run a verb; turn errors into a message and an exit status.

    Args:
        run: The verb's function.
        args: Its command line. Where ``run`` sets ``args.log_folder``, the
            traceback of an error is saved there, and the message names it.
        interrupted: Message after Ctrl-C: how to continue.

    Returns:
        The exit status: that of ``run`` (0 if None), 1 after an error, 130
        after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP.

    Raises:
        Exception: A bug (an error that wrong input does not explain), if there
            is no folder for its traceback.
    """
    # Around the message too, so that a repeated signal does not interrupt it.
    with StopSignals():
        try:
            return run(args) or 0
        except KeyboardInterrupt as stop:
            with contextlib.suppress(OSError):  # the terminal may be closed
                print(f'\n{interrupted}', file=sys.stderr)
            return STATUS_SIGNAL + getattr(stop, 'number', signal.SIGINT)
        except BrokenPipeError:
            # The reader of the output, such as `head`, has ended.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return STATUS_ERROR
        except Exception as error:
            folder = getattr(args, 'log_folder', None)
            if folder is None and not _is_expected(error):
                raise
            print(f'error: {error_message(error)}', file=sys.stderr)
            if folder is not None and not isinstance(error, _OF_OTHERS):
                print(save_traceback(folder), file=sys.stderr)
            return STATUS_ERROR


def run_script(main: Callable[[], Any]) -> int:
    """Run the main function of a script; see `call_reported`.

    Returns:
        The exit status.
    """

    def run(_: argparse.Namespace) -> None:
        """Call the script, which reads its own command line."""
        main()

    return call_reported(run, argparse.Namespace())


def _is_expected(error: Exception) -> bool:
    """Return whether wrong input, rather than a bug, explains an error."""
    text = str(error.args[0]) if error.args else ''
    return isinstance(error, USER_ERRORS) or _is_written_for_the_reader(
        error, text
    )


def error_message(error: BaseException) -> str:
    """Explain an exception in plain words.

    A message that was written for users is printed unchanged. To a message of
    Python or another package, its type and place are added: "'area'", the
    whole text of a KeyError, would not be clear by itself.
    """
    text = str(error.args[0]) if error.args else ''
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f'{error.strerror}: {error.filename}'
    if text.startswith('Caught '):  # torch includes the worker's traceback
        return text.strip().splitlines()[-1]
    if isinstance(error, OSError) and error.strerror:
        return error.strerror + _FULL.get(error.errno or 0, '')
    if _is_written_for_the_reader(error, text):
        return text
    kind, place = type(error).__name__, _place(error)
    hint = next((h for sign, h in HINTS.items() if sign in text.lower()), '')
    return ''.join(
        [
            f'{kind}: {text or "no message"}',
            f' ({place})' if place else '',
            f'. {hint}' if hint else '',
        ]
    )


def _is_written_for_the_reader(error: BaseException, text: str) -> bool:
    """Return whether an error's text was written for users."""
    if isinstance(error, LookupError) or ' ' not in text.strip():
        return False
    frames = traceback.extract_tb(error.__traceback__)
    line = frames[-1].line if frames else None
    return not line or line.lstrip().startswith('raise')


def _place(error: BaseException) -> str:
    """Return file and line of an error's origin, such as ``a.py:12``."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return ''
    return f'{frames[-1].filename}:{frames[-1].lineno}'


def save_traceback(folder: Path) -> str:
    """Save the traceback of the exception that is being handled.

    Args:
        folder: Folder for ``error.txt``; ranks other than 0 have their own
            files.

    Returns:
        A line that names the file, or says why there is none.
    """
    rank = os.environ.get('RANK', '0')
    name = TRACEBACK_NAME if rank == '0' else f'error_rank{rank}.txt'
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(traceback.format_exc(), encoding='utf-8')
    except OSError as error:
        return f'(the traceback could not be saved: {error})'
    return f'(traceback: {folder / name})'
