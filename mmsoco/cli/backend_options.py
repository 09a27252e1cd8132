"""Options of the verbs that read images from a storage backend."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmsoco.cli.common import OptionsAction
from mmsoco.cli.option_types import path


def place(text: str) -> Path | str:
    """Read the place of images: a folder, a file or an address."""
    return text if '://' in text else path(text)


def add_images(parser: argparse.ArgumentParser, places: str) -> None:
    """Add ``images``, the place to read, and ``--ann-file``.

    Args:
        parser: The parser to add to.
        places: The kinds of places, for the help.
    """
    parser.add_argument('images', type=place, help=places)
    parser.add_argument(
        '--ann-file',
        type=path,
        metavar='FILE',
        help='file that lists the images to use, relative to the folder: one '
        'name per line, or a COCO-style .json',
    )


def add_backend_args(parser: argparse.ArgumentParser) -> None:
    """Add ``--backend-args``."""
    parser.add_argument(
        '--backend-args',
        nargs='+',
        action=OptionsAction,
        default={},
        metavar='KEY=VALUE',
        help='storage backend of mmengine that holds the images, such as '
        'backend=petrel; a backend that cannot list files needs --ann-file',
    )
