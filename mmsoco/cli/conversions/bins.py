r"""Rebuild the data set bins, which docs/results.md reports on.

SOURCE is a clone of github.com/ATANU0023/garbage_detection_dataset (CC BY
4.0). 2,000 of its 2,679 photographs for training and 400 of 670 for
validation, spread evenly, are written at 320 pixels. The labels are compared
with those of the reported measurements.

Example:
  mmsoco convert bins garbage_detection_dataset --out data/bins
"""

import argparse
import sys

from mmsoco.cli.common import add_out
from mmsoco.cli.option_types import path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the conversion."""
    parser.add_argument('source', type=path, help='clone of the repository')
    add_out(parser, 'the folder for the data set, which must not exist yet')


def run(args: argparse.Namespace) -> int:
    """Make both splits; return 1 if the labels are not the expected ones."""
    from mmsoco.datasets.converters import bins
    from mmsoco.utils.files import atomic_folder

    if args.out.exists():
        raise FileExistsError(
            f'{args.out} exists; name a new folder with --out'
        )
    status = 0
    with atomic_folder(args.out) as folder:
        for split in bins.SPLITS:
            document = bins.convert(args.source, folder, split)
            print(
                f'{split.name}: {len(document["images"])} pictures, '
                f'{len(document["annotations"])} boxes'
            )
            found = bins.content_hash(document)
            if found != split.sha256:
                status = 1
                print(
                    f'{split.name}: the labels are not those of the reported '
                    f'results (SHA-256 {found[:8]}, expected '
                    f'{split.sha256[:8]}): has the source changed?',
                    file=sys.stderr,
                )
    return status
