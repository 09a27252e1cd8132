"""Evaluate a detector on the test data of its config.

Examples:
  python tools/test.py configs/finetune/CONFIG.py work_dirs/X/epoch_12.pth
  python tools/test.py CONFIG.py CHECKPOINT --show-dir painted

Prints the metrics (COCO average precision for boxes and masks) and writes
them to WORK_DIR/TIME/TIME.json.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import mmsoco.registry  # noqa: F401  (makes the scope known)
from mmsoco.engine.cli import (
    add_common_arguments,
    load_config,
    reported_errors,
)
from mmsoco.registry import RUNNERS


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line.

    Args:
        argv: arguments; those of the process if None.
    """
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('config', type=Path, help='config file')
    parser.add_argument('checkpoint', help='weights of the detector')
    parser.add_argument(
        '--show-dir', help='folder, in the work dir, of painted detections'
    )
    add_common_arguments(parser)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> dict:
    """Runs the evaluation.

    Args:
        argv: arguments; those of the process if None.

    Returns:
        The metrics by name, such as ``coco/bbox_mAP``.
    """
    args = parse_args(argv)
    with reported_errors(args):
        cfg = load_config(args)
        cfg.load_from = args.checkpoint
        cfg.resume = False
        if args.show_dir is not None:
            cfg.default_hooks.visualization = dict(
                type='DetVisualizationHook',
                draw=True,
                test_out_dir=args.show_dir,
            )
        return RUNNERS.build(cfg).test()


if __name__ == '__main__':
    main()
