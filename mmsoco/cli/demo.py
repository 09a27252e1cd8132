"""Run the whole job on data that needs no download.

Makes scenes and their proposals, pretrains a small detector without labels,
exports it, fine-tunes Mask R-CNN on a few labels both from the pretrained
weights and from scratch, evaluates both, and writes OUT/report.html. Each step
is a command that you could type yourself, and is printed. The demo takes about
ten minutes on two cores.

If you run it again, it skips finished steps; --fresh starts over.

Example:
  mmsoco demo
"""

import argparse
from pathlib import Path

from mmsoco.cli.option_types import path, processes

INTERRUPTED = 'interrupted; run the same command to continue from here'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument(
        '--out',
        type=path,
        metavar='DIR',
        default=Path('work_dirs/demo'),
        help='folder for trainings, logs and the report (default: '
        '%(default)s)',
    )
    parser.add_argument(
        '--data',
        type=path,
        metavar='DIR',
        default=Path('data/demo'),
        help='folder for the scenes (default: %(default)s)',
    )
    parser.add_argument(
        '--fresh', action='store_true', help='repeat every step'
    )
    parser.add_argument(
        '--threads',
        type=processes,
        metavar='N',
        help='number of threads of each command (default: the number of '
        'cores, at most 8)',
    )


def run(args: argparse.Namespace) -> None:
    """Run the demo."""
    from mmsoco.demo.run import Demo, default_threads, run_demo

    demo = Demo(args.data, args.out)
    run_demo(demo, args.threads or default_threads(), args.fresh)
