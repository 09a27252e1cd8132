"""Report data that a conversion had to repair or leave out."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmsoco.utils.problems import Problems

LOST_STATUS = 3


def add_strict(parser: argparse.ArgumentParser) -> None:
    """Add ``--strict``."""
    parser.add_argument(
        '--strict',
        action='store_true',
        help='write nothing if anything has to be repaired or left out',
    )


def refuse_if_strict(problems: Problems, args: argparse.Namespace) -> None:
    """Raise ValueError if ``--strict`` was given and something is wrong."""
    from mmsoco.utils.problems import Outcome

    wrong = problems.count(Outcome.LOST, Outcome.REPAIRED)
    if args.strict and wrong:
        raise ValueError(
            f'{wrong} problems were found, and --strict refuses them; '
            f'{args.out} was not written\n{problems}'
        )


def report_problems(problems: Problems) -> int:
    """Print the problems; return the exit status."""
    from mmsoco.utils.problems import Outcome

    lost = problems.count(Outcome.LOST)
    if lost:
        print(f'{lost} items were LEFT OUT:')
    if problems:
        print(problems)
    return LOST_STATUS if lost else 0
