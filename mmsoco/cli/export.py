"""Export a pretraining run as weights for a detector.

A detector of the same base config loads the result with load_from='OUT'. For
other programs:
  --to detectron2             a .pkl for MODEL.WEIGHTS (FPN and C4); its entry
                              "meta" has the RGB order, mean and deviation
  --to torchvision            maskrcnn_resnet50_fpn_v2, strict=False
  --to torchvision-backbone   resnetN, strict=False (fc is new)

Examples:
  mmsoco export work_dirs/soco --out detector.pth
  mmsoco export work_dirs/soco/epoch_5.pth --out neck.pth --parts backbone neck
"""

import argparse

from mmsoco.cli.common import add_out, add_overwrite
from mmsoco.cli.option_types import checkpoint
from mmsoco.utils.files import refuse_existing

# The keys of mmsoco.checkpoints.export.CONVERSIONS, which imports torch.
PROGRAMS = ('mmdet', 'detectron2', 'torchvision', 'torchvision-backbone')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument(
        'checkpoint',
        type=checkpoint,
        help='checkpoint of a pretraining run, or the work dir of the run, '
        'whose newest checkpoint is used; with --parts also the weights of a '
        'detector in another layout',
    )
    add_out(parser, 'the file to write, such as detector.pth')
    add_overwrite(parser)
    parser.add_argument(
        '--parts',
        nargs='+',
        metavar='PART',
        help='parts to export, such as backbone neck (default: all parts)',
    )
    parser.add_argument(
        '--to',
        choices=PROGRAMS,
        default='mmdet',
        help='program that will load the weights (default: mmdet)',
    )


def run(args: argparse.Namespace) -> None:
    """Export, and print the manifest."""
    refuse_existing(args.out, args.overwrite, 'checkpoint')
    from mmsoco.checkpoints.export import describe, export_detector

    manifest = export_detector(args.checkpoint, args.out, args.parts, args.to)
    print(f'wrote {args.out}\n{describe(manifest)}')
