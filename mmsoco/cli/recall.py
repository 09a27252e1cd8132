r"""Measure how many labeled objects the proposals of a store find.

Prints the average recall of 10, 50, 100 and all boxes per picture by object
size, compared with the same number of randomly placed boxes, and suggests
filter limits that would keep objects that are lost. OUT gets the tables
(recall.txt, recall.json), the best overlap of each object (objects.json), a
curve (curve.svg) and pictures of missed objects (missed.jpg).

Examples:
  mmsoco recall proposals.arrow --labels train.json
  mmsoco recall out/mine --labels train.json --out look
"""

import argparse

from mmsoco.cli.option_types import integer, path
from mmsoco.utils.files import refuse_file, refuse_unwritable, refuse_within


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument(
        'store',
        type=path,
        help='a store that `mmsoco propose` made, or the folder of a '
        'pretraining',
    )
    parser.add_argument(
        '--labels',
        type=path,
        required=True,
        metavar='LABELS',
        help='COCO-style JSON with labels of some of the pictures, or a data '
        'set in PASCAL VOC layout',
    )
    parser.add_argument(
        '--image-root',
        type=path,
        metavar='DIR',
        help='folder of the pictures (default: the folder that the store was '
        'made from)',
    )
    parser.add_argument(
        '--out',
        type=path,
        metavar='DIR',
        help='folder for the tables, the curve and the pictures (default: the '
        'name of the store with -recall)',
    )
    parser.add_argument(
        '--seed',
        type=integer(0),
        default=0,
        metavar='N',
        help='random seed for the random boxes, and for the order of boxes '
        'without an order (default: %(default)s)',
    )


def run(args: argparse.Namespace) -> None:
    """Measure the recall, print it and write the files."""
    from mmsoco.workflow.recall import measure_recall, write_recall
    from mmsoco.workflow.run_folder import find_parts

    store, image_root = args.store, args.image_root
    if store.is_dir():
        parts = find_parts(store)
        store, image_root = parts.store, image_root or parts.images
    out = args.out or store.with_name(f'{store.stem}-recall')
    refuse_file(out, 'tables')
    refuse_unwritable(out)
    report = measure_recall(store, args.labels, image_root, args.seed)
    refuse_within(out, report.image_root)
    print(report.text())
    files = write_recall(report, out)
    print(f'{", ".join(file.name for file in files)} in {out}')
