"""Run the whole job on data that needs no download, and report it.

Makes scenes, proposals for them, pretrains a small detector without labels,
exports it, fine-tunes Mask R-CNN on a few labels from the pretrained weights
and from scratch, evaluates both, and writes OUT/report.html. Each step is a
command that you could type, and is echoed. It takes about ten minutes on two
cores.

Called again, it skips what is done; --fresh starts over.

Example:
  mmsoco demo
"""

import argparse
from pathlib import Path

from mmsoco.cli.common import integer, path

INTERRUPTED = 'interrupted; run the same command to continue from here'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument(
        '--out',
        type=path,
        metavar='DIR',
        default=Path('work_dirs/demo'),
        help='folder of trainings, logs and report; default: %(default)s',
    )
    parser.add_argument(
        '--data',
        type=path,
        metavar='DIR',
        default=Path('data/demo'),
        help='folder of the scenes; default: %(default)s',
    )
    parser.add_argument(
        '--fresh', action='store_true', help='do every step again'
    )
    parser.add_argument(
        '--threads',
        type=integer(1),
        metavar='N',
        help='of each command; default: the cores, at most 8',
    )


def run(args: argparse.Namespace) -> None:
    """Run the demo."""
    from mmsoco.demo.run import Demo, default_threads, run_demo

    demo = Demo(args.data, args.out)
    run_demo(demo, args.threads or default_threads(), args.fresh)
