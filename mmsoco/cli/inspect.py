"""Print the contents of a checkpoint: its layout, parts and manifest.

Examples:
  mmsoco inspect detector.pth
  mmsoco inspect work_dirs/soco --config
"""

import argparse

from mmsoco.cli.option_types import checkpoint


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument(
        'checkpoint',
        type=checkpoint,
        help='checkpoint of any layout, or the work dir of a run, whose '
        'newest checkpoint is used',
    )
    parser.add_argument(
        '--config', action='store_true', help="also print the run's config"
    )


def run(args: argparse.Namespace) -> None:
    """Print the description."""
    from mmsoco.checkpoints.describe import summarize
    from mmsoco.checkpoints.newest import find_checkpoint

    print(summarize(find_checkpoint(args.checkpoint), args.config))
