"""Types of options: what a text on the command line may mean.

Importing this module imports only the standard library.
"""

from __future__ import annotations

import argparse
import math
import os
import re
from collections.abc import Callable
from pathlib import Path

from mmsoco.utils.machine import MOST_PROCESSES_PER_CORE

# Python also accepts "1_000" and digits of other scripts, which are typing
# errors on a command line.
_NUMBER = re.compile(
    r'\s*[+-]?[\d.]+(e[+-]?\d+)?\s*', re.ASCII | re.IGNORECASE
)
# The limit of numpy's generators; larger numbers are typing errors elsewhere
# too.
MAX_SEED = 2**32 - 1


def path(text: str) -> Path:
    """Read a path option; refuse an empty one and addresses.

    An empty one would mean ``.``, and `Path` turns ``s3://x`` into ``s3:/x``.
    """
    if not text.strip():
        raise argparse.ArgumentTypeError('expected a path, got an empty text')
    if '://' in text:
        raise argparse.ArgumentTypeError(
            f'expected a file or folder of this machine, got the address '
            f'{text}; download it, and give its path'
        )
    # A shell does not expand --out=~/run, and a folder "~" would be made.
    return Path(os.path.expanduser(text))


def checkpoint(text: str) -> Path:
    """Read the path of a checkpoint; refuse an address instead of one."""
    scheme, slashes, rest = text.partition('://')
    if slashes and scheme == 'file':
        return path('/' + rest.lstrip('/'))
    if slashes:
        raise argparse.ArgumentTypeError(
            f'expected a file of this machine, got the address {text}; '
            'download it, and name the file'
        )
    return path(text)


def integer(lowest: int, highest: int = MAX_SEED) -> Callable[[str], int]:
    """Return an option type: an integer of ``lowest`` to ``highest``."""

    def read(text: str) -> int:
        """Return the integer of an option's text."""
        try:
            value = int(_plain_number(text))
        except ValueError:
            value = None
        if value is None or not lowest <= value <= highest:
            raise argparse.ArgumentTypeError(
                f'expected an integer of {lowest} to {highest}, got {text!r}'
            )
        return value

    return read


def processes(text: str) -> int:
    """Read a number of processes or threads within this machine's limit."""
    most = MOST_PROCESSES_PER_CORE * (os.cpu_count() or 1)
    try:
        return integer(1, most)(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(
            f'{error} ({MOST_PROCESSES_PER_CORE} for each core)'
        ) from None


def number(
    lowest: float = -math.inf, highest: float = math.inf, above: bool = False
) -> Callable[[str], float]:
    """Return an option type: a finite number within limits.

    Args:
        lowest: The smallest value.
        highest: The largest value.
        above: Refuse ``lowest`` itself.
    """
    limits = []
    if lowest > -math.inf:
        limits.append(f'above {lowest:g}' if above else f'{lowest:g} or more')
    if highest < math.inf:
        limits.append(f'up to {highest:g}')

    def read(text: str) -> float:
        """Return the number of an option's text."""
        try:
            value = float(_plain_number(text))
        except ValueError:
            value = math.nan
        inside = lowest <= value <= highest and math.isfinite(value)
        if not inside or (above and value == lowest):
            raise argparse.ArgumentTypeError(
                f'expected a number {" and ".join(limits)}'.rstrip()
                + f', got {text!r}'
            )
        return value

    return read


def _plain_number(text: str) -> str:
    """Return a number's text; raise ValueError if it is written oddly."""
    if not _NUMBER.fullmatch(text):
        raise ValueError(f'not a plain number: {text!r}')
    return text


def duration(text: str) -> float:
    """Read a time such as 2h, 90m or 1h30m: seconds."""
    from mmsoco.utils.durations import parse_time

    try:
        return parse_time(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
