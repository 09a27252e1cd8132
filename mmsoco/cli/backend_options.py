"""Options of the verbs that read images from a storage backend."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmsoco.cli.common import OptionsAction, path


def place(text: str) -> Path | str:
    """Read a folder, a file or an address, which is not a path."""
    return text if '://' in text else path(text)


def add_backend_args(parser: argparse.ArgumentParser) -> None:
    """Add ``--backend-args``."""
    parser.add_argument(
        '--backend-args',
        nargs='+',
        action=OptionsAction,
        default={},
        metavar='KEY=VALUE',
        help='storage backend of mmengine that holds the images, such as '
        'backend=petrel; one that cannot list files needs --ann-file',
    )
