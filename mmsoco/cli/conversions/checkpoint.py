"""Convert checkpoints between the layouts of SoCo's authors and mmsoco.

Examples:
To continue training, or to export later:
  mmsoco convert checkpoint soco_fpn.pth --out ours.pth
To get weights that an mmdet detector loads directly:
  mmsoco convert checkpoint soco_fpn.pth --out detector.pth --to mmdet
To write our checkpoint in the authors' layout:
  mmsoco convert checkpoint ours.pth --out theirs.pth --to reference
"""

import argparse

from mmsoco.cli.common import add_out, add_overwrite
from mmsoco.cli.option_types import checkpoint
from mmsoco.utils.files import refuse_existing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the conversion."""
    parser.add_argument(
        'checkpoint', type=checkpoint, help='checkpoint to read'
    )
    add_out(parser, 'the checkpoint to write')
    add_overwrite(parser)
    parser.add_argument(
        '--to',
        choices=('mmsoco', 'mmdet', 'reference'),
        default='mmsoco',
        help='layout of the new checkpoint (default: mmsoco)',
    )
    parser.add_argument(
        '--online-only',
        action='store_true',
        help='leave out the predictor and the target network',
    )


def run(args: argparse.Namespace) -> None:
    """Convert, and print the manifest."""
    refuse_existing(args.out, args.overwrite, 'checkpoint')
    from mmsoco.checkpoints.export import describe
    from mmsoco.checkpoints.reference import convert_reference

    manifest = convert_reference(
        args.checkpoint, args.out, args.to, args.online_only
    )
    print(f'wrote {args.out}\n{describe(manifest)}'.strip())
