"""Join the shards of one store, after a check that all are there once.

Example::

    python tools/proposals/merge.py shard-*.arrow --out proposals.arrow
"""

import argparse

from mmsoco.proposals.command_line import describe, run
from mmsoco.proposals.rework import merge_shards


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('shards', nargs='+', help='in any order')
    parser.add_argument('--out', required=True, help='the store to make')
    parser.add_argument(
        '--overwrite', action='store_true', help='replace an old store'
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Run the tool."""
    args = parse_args(argv)
    print(describe(merge_shards(args.shards, args.out, args.overwrite)))


if __name__ == '__main__':
    run(main)
