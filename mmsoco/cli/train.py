r"""Run the pretraining or fine-tuning that a config describes.

For several GPUs or CPU processes, use tools/dist_train.sh; for Slurm, use
tools/slurm_train.sh.

Examples:
  mmsoco train out/mine/pretrain.py --work-dir work_dirs/again
  mmsoco train configs/soco/soco_mask-rcnn_r50-fpn_16xb128-coslr-100e_in1k.py \
      --amp --resume
  mmsoco train configs/finetune/mask-rcnn_r50-fpn_soco_8xb2-1x_coco.py \
      --cfg-options load_from=out/mine/detector.pth
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mmsoco.cli.launch import add_run_options, load_config
from mmsoco.cli.option_types import path

if TYPE_CHECKING:
    from mmengine.config import Config

INTERRUPTED = (
    'interrupted; run the same command with --resume to continue from the '
    'last checkpoint'
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument('config', type=path, help='config file')
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='continue from CHECKPOINT (or the newest one of a folder) or, '
        'without a value, from the newest checkpoint in the work dir; if '
        'there is none, start from the beginning',
    )
    parser.add_argument(
        '--overwrite',
        action='store_true',
        help='remove the checkpoints of an old run in the work dir, as soon '
        'as the new one trains',
    )
    parser.add_argument(
        '--amp',
        nargs='?',
        const='bf16',
        choices=('bf16', 'fp16'),
        help='train with mixed precision (without a value: bf16)',
    )
    add_run_options(parser)


def run(args: argparse.Namespace) -> None:
    """Run the training."""
    if args.resume and args.overwrite:
        raise ValueError(
            '--resume continues the run that --overwrite would remove; give '
            'one of the two'
        )
    cfg = load_config(args)

    from mmsoco.config.reading import set_precision
    from mmsoco.engine.resuming import set_resume
    from mmsoco.engine.work_dir import refuse_used

    set_resume(cfg, args.resume)
    cfg.overwrite = args.overwrite or cfg.get('overwrite', False)
    if not cfg.get('resume') and not cfg.overwrite:
        # The runner checks this again, but only after half a minute of
        # building.
        refuse_used(cfg.work_dir)
    set_precision(cfg, args.amp)
    check_start(cfg)

    from mmsoco.engine.run_config import run_config

    args.log_folder = Path(cfg.work_dir)
    run_config(cfg, 'train')


def check_start(cfg: Config) -> None:
    """Refuse missing initial weights before anything is built.

    Args:
        cfg: Changed: an empty ``load_from`` stands for none.

    Raises:
        FileNotFoundError: If ``load_from`` names a file that does not exist.
    """
    weights = cfg.load_from = cfg.get('load_from') or None
    if not weights or re.match(r'[\w+.-]+:', weights):  # such as https:
        return
    if not Path(weights).is_file():
        kind = 'a folder' if Path(weights).is_dir() else 'missing'
        raise FileNotFoundError(
            f'load_from names the checkpoint {weights}, which is {kind}; set '
            'load_from to a file, or to None to start from scratch'
        )
