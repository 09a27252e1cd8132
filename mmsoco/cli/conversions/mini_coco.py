r"""Take 1, 2, 5 and 10 % of COCO's training images for fine-tuning.

The images are shuffled once with a fixed seed, and each part takes the first
of them, so that a smaller part is a subset of every larger one. Only
annotation files are written: OUT/NAME_1pct.json and so on.

Example:
  mmsoco convert mini-coco data/coco/annotations/instances_train2017.json \
      --out data/coco/annotations/mini
"""

import argparse

from mmsoco.cli.common import add_out, add_overwrite
from mmsoco.cli.option_types import integer, number, path
from mmsoco.utils.files import refuse_existing

PERCENTS = (1, 2, 5, 10)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the conversion."""
    parser.add_argument(
        'annotations', type=path, help='COCO JSON file of the training images'
    )
    add_out(parser, 'the folder for the annotation files')
    add_overwrite(parser)
    parser.add_argument(
        '--percents',
        nargs='+',
        type=number(0, 100, above=True),
        default=PERCENTS,
        metavar='P',
        help='sizes of the parts in percent (default: 1 2 5 10)',
    )
    parser.add_argument(
        '--seed',
        type=integer(0),
        default=0,
        help='random seed of the shuffling (default: %(default)s)',
    )


def run(args: argparse.Namespace) -> None:
    """Write the parts, and print the size of each."""
    stem = args.annotations.stem
    files = {p: args.out / f'{stem}_{p:g}pct.json' for p in args.percents}
    for file in files.values():
        refuse_existing(file, args.overwrite, 'JSON file')
    from mmsoco.datasets.coco_document import read_document
    from mmsoco.datasets.converters import mini_coco
    from mmsoco.utils.files import write_json

    document = read_document(args.annotations)
    ids = mini_coco.shuffled_ids(document, args.seed)
    for percent, file in files.items():
        part = mini_coco.take_part(document, ids, percent)
        write_json(file, part)
        print(
            f'{file}: {len(part["images"])} images, '
            f'{len(part["annotations"])} objects'
        )
