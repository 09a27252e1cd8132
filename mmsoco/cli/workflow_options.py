"""Options that several verbs of the workflow share."""

import argparse

from mmsoco.cli.option_types import duration, integer, path, processes

# Larger numbers of epochs and pictures are typing errors.
_MAX_EPOCHS = 1_000_000
_MAX_BATCH = 1_000_000
# Messages after Ctrl-C, for one training and for a series of trainings.
FROM_CHECKPOINT = (
    'interrupted; run the same command again to continue where it stopped'
)
FROM_HERE = 'stopped; run the same command again to continue from here'


def add_run(parser: argparse.ArgumentParser) -> None:
    """Add ``DIR``, the folder that `mmsoco pretrain` wrote."""
    parser.add_argument(
        'run',
        type=path,
        metavar='DIR',
        help='output folder of `mmsoco pretrain`',
    )


def add_labels(
    parser: argparse.ArgumentParser, kind: str, images: str
) -> None:
    """Add ``--train`` and ``--val``, each with the folder of its pictures.

    Args:
        parser: The parser to add to.
        kind: The formats of the labels, for the help.
        images: The default of the folder, for the help.
    """
    for name, use in (('train', 'training'), ('val', 'evaluation')):
        parser.add_argument(
            f'--{name}',
            type=path,
            required=True,
            metavar='LABELS',
            help=f'labels for {use}: {kind}',
        )
        parser.add_argument(
            f'--{name}-images',
            type=path,
            metavar='FOLDER',
            help=f'folder of the pictures of --{name} ({images})',
        )


def add_epochs(parser: argparse.ArgumentParser) -> None:
    """Add ``--epochs``."""
    parser.add_argument(
        '--epochs',
        type=integer(1, _MAX_EPOCHS),
        metavar='N',
        help='number of passes over the pictures (default: chosen from the '
        'number of steps)',
    )


def add_time(parser: argparse.ArgumentParser, what: str, default: str) -> None:
    """Add ``--time``, which is parsed to seconds.

    Args:
        parser: The parser to add to.
        what: The meaning of the time, for the help.
        default: What is used if no time is given, for the help.
    """
    parser.add_argument(
        '--time',
        type=duration,
        metavar='T',
        help=f'{what}, such as 2h or 90m (default: {default})',
    )


def add_batch_size(parser: argparse.ArgumentParser, lowest: int) -> None:
    """Add ``--batch-size``, which must not be below ``lowest``."""
    parser.add_argument(
        '--batch-size',
        type=integer(lowest, _MAX_BATCH),
        metavar='N',
        help='number of pictures per batch on each device',
    )


def add_seed(
    parser: argparse.ArgumentParser, what: str, default: int | None = None
) -> None:
    """Add ``--seed``.

    Args:
        parser: The parser to add to.
        what: The random numbers that the seed decides, for the help.
        default: The value if none is given; None differs from a given 0.
    """
    parser.add_argument(
        '--seed',
        type=integer(0),
        default=default,
        metavar='N',
        help=f'random seed for {what} (default: 0)',
    )


def add_threads(parser: argparse.ArgumentParser) -> None:
    """Add ``--threads``."""
    parser.add_argument(
        '--threads',
        type=processes,
        metavar='N',
        help='number of threads of each training (default: all cores)',
    )
