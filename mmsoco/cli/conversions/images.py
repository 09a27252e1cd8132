r"""List the images of some folders of a data set, for proposals.

Pretraining takes one image root. Where only some of its folders are wanted,
such as COCO's train2017 and unlabeled2017 without val2017, this list names
their images.

Example:
  mmsoco convert images data/coco --out data/coco/pretraining.txt \
      --folders train2017 unlabeled2017
  mmsoco propose data/coco --out data/coco/proposals.arrow \
      --ann-file data/coco/pretraining.txt
"""

import argparse

from mmsoco.cli.common import add_out, add_overwrite, path
from mmsoco.utils.files import refuse_existing, write_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the conversion."""
    parser.add_argument('root', type=path, help='image root')
    add_out(parser, 'the text file to write, a name per line')
    add_overwrite(parser)
    parser.add_argument(
        '--folders',
        nargs='+',
        required=True,
        metavar='FOLDER',
        help='folders below the root',
    )


def run(args: argparse.Namespace) -> None:
    """Write the list, and count the images of each folder."""
    refuse_existing(args.out, args.overwrite)
    from mmsoco.datasets.converters.list_images import list_folders

    found = list_folders(args.root, args.folders)
    names = [name for folder in found.values() for name in folder]
    write_text(args.out, '\n'.join(names) + '\n')
    for folder, own in found.items():
        print(f'{folder}: {len(own)} images')
