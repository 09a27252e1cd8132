"""Join the shards of a proposal store, after checking that none is missing.

Example:
  mmsoco convert shards shard-*.arrow --out proposals.arrow
"""

import argparse

from mmsoco.cli.common import add_out, add_overwrite
from mmsoco.cli.option_types import path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the conversion."""
    parser.add_argument(
        'shards',
        nargs='+',
        type=path,
        help='stores that `mmsoco propose --shard` wrote, in any order',
    )
    add_out(parser, 'the proposal store to write', positional=False)
    add_overwrite(parser)


def run(args: argparse.Namespace) -> None:
    """Join the shards, and describe the store."""
    from mmsoco.proposals.rework import merge_shards
    from mmsoco.proposals.summary import describe

    print(describe(merge_shards(args.shards, args.out, args.overwrite)))
