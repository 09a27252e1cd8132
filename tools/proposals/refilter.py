"""Make other proposals from kept regions, without a second search.

Example::

    python tools/proposals/generate.py images a.arrow --keep-regions
    python tools/proposals/refilter.py a.regions.arrow b.arrow --min-scale 0.1
"""

import argparse

from mmsoco.proposals.command_line import (
    add_spec_options,
    describe,
    run,
    spec_from,
)
from mmsoco.proposals.filters import FilterSpec
from mmsoco.proposals.rework import refilter


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('regions', help='a .regions.arrow file')
    parser.add_argument('out', help='the store to make')
    parser.add_argument(
        '--overwrite', action='store_true', help='replace an old store'
    )
    add_spec_options(parser, FilterSpec(), 'filter')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Run the tool."""
    args = parse_args(argv)
    filters = spec_from(args, FilterSpec)
    store = refilter(args.regions, args.out, filters, args.overwrite)
    print(describe(store))


if __name__ == '__main__':
    run(main)
