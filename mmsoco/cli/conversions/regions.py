"""Make other proposals from kept regions, without a second search.

Example:
  mmsoco propose images --out a.arrow --keep-regions
  mmsoco convert regions a.regions.arrow --out b.arrow --min-scale 0.1
"""

import argparse

from mmsoco.cli.common import add_out, add_overwrite
from mmsoco.cli.option_types import path
from mmsoco.cli.spec_options import add_spec_options, spec_from
from mmsoco.proposals.filters import FilterSpec


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the conversion."""
    parser.add_argument(
        'regions',
        type=path,
        help='.regions.arrow file that `mmsoco propose --keep-regions` wrote',
    )
    add_out(parser, 'the proposal store to write')
    add_overwrite(parser)
    add_spec_options(parser, FilterSpec(), 'filter')


def run(args: argparse.Namespace) -> None:
    """Filter the regions, and describe the store."""
    filters = spec_from(args, FilterSpec)

    from mmsoco.proposals.rework import refilter
    from mmsoco.proposals.summary import describe

    store = refilter(args.regions, args.out, filters, args.overwrite)
    print(describe(store))
