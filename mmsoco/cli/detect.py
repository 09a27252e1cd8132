r"""Find objects in new pictures with a fine-tuned detector.

Writes OUT/detections.json (COCO labels with scores) and, in OUT/pictures,
every picture with its detections drawn.

Example:
  mmsoco detect out/mine/finetune "new pictures" --out out/found
"""

import argparse

from mmsoco.cli.common import add_out, add_overwrite
from mmsoco.cli.option_types import number, path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument(
        'run',
        type=path,
        metavar='DIR',
        help='output folder of `mmsoco finetune`',
    )
    parser.add_argument(
        'images',
        type=path,
        metavar='PICTURES',
        help='folder of the pictures, searched recursively, a tar file of '
        'them, or one picture',
    )
    add_out(parser, 'the folder for detections.json and the drawn pictures')
    parser.add_argument(
        '--score',
        type=number(0, 1),
        metavar='S',
        help='lowest score of a detection, from 0 to 1 (default: the one with '
        'the best F1 on the validation pictures of the fine-tuning)',
    )
    add_overwrite(parser)


def run(args: argparse.Namespace) -> None:
    """Find the objects, and print how many and where they are."""
    from mmsoco.workflow.detect import detect

    detect(
        args.run,
        args.images,
        args.out,
        score=args.score,
        overwrite=args.overwrite,
    )
