r"""Evaluate a detector on the test data of its config.

Prints the metrics (COCO average precision for boxes and masks) and writes
them to WORK_DIR/TIME/TIME.json.

Examples:
  mmsoco test out/mine/finetune/finetune.py out/mine/finetune/checkpoints
  mmsoco test configs/finetune/mask-rcnn_r50-fpn_soco_8xb2-1x_coco.py \
      work_dirs/mask-rcnn_r50-fpn_soco_8xb2-1x_coco --show-dir painted
"""

import argparse
from pathlib import Path

from mmsoco.cli.launch import add_run_options, load_config
from mmsoco.cli.option_types import checkpoint, path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument('config', type=path, help='config file')
    parser.add_argument(
        'checkpoint',
        type=checkpoint,
        help='weights of the detector, or the work dir of its training, '
        'whose newest checkpoint is used',
    )
    parser.add_argument(
        '--show-dir',
        type=path,
        metavar='DIR',
        help='folder in the work dir for pictures with the detections',
    )
    add_run_options(parser)


def run(args: argparse.Namespace) -> None:
    """Run the evaluation."""
    evaluate(args)


def evaluate(args: argparse.Namespace) -> dict[str, float]:
    """Run the evaluation.

    Args:
        args: The command line.

    Returns:
        The metrics by name, such as ``coco/bbox_mAP``.
    """
    cfg = load_config(args, 'test')
    from mmsoco.checkpoints.newest import find_checkpoint
    from mmsoco.engine.run_config import run_config

    cfg.load_from = str(find_checkpoint(args.checkpoint))
    cfg.resume = False
    if args.show_dir is not None:
        cfg.default_hooks.visualization = dict(
            type='DetVisualizationHook',
            draw=True,
            test_out_dir=str(args.show_dir),
        )
    args.log_folder = Path(cfg.work_dir)
    return run_config(cfg, 'test')
