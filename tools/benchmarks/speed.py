"""Measure proposals, pipeline, step, store and so on against yardsticks.

Examples::

    python tools/benchmarks/speed.py proposals IMAGES --workers 1 2
    python tools/benchmarks/speed.py pipeline IMAGES IMAGES.arrow
    python tools/benchmarks/speed.py colors
    python tools/benchmarks/speed.py step CONFIG --variants all assigned
    python tools/benchmarks/speed.py store --images 1281167
    python tools/benchmarks/speed.py checksums
    python tools/benchmarks/speed.py places IMAGES

Each prints machine, versions and settings first, warms up, and takes medians
of alternated runs; --out writes them as JSON.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import checksum_cost
import colors_speed
import pipeline_speed
import places_speed
import proposals_speed
import step_speed
import store_speed
from harness import print_settings, report

from mmsoco.cli.errors import run_script

BENCHMARKS = dict(
    proposals=proposals_speed,
    pipeline=pipeline_speed,
    colors=colors_speed,
    step=step_speed,
    store=store_speed,
    checksums=checksum_cost,
    places=places_speed,
)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest='benchmark', required=True)
    for name, module in BENCHMARKS.items():
        command = commands.add_parser(
            name,
            description=module.__doc__,
            help=module.__doc__.splitlines()[0],
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.add_argument('--out', type=Path, help='JSON file to write')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run one benchmark."""
    args = parse_args(argv)
    settings = {k: v for k, v in vars(args).items() if k != 'out'}
    print_settings(settings)
    rows = BENCHMARKS[args.benchmark].measure(args)
    report(args.benchmark, settings, rows, args.out)


if __name__ == '__main__':
    sys.exit(run_script(main))
