"""Pretrain or fine-tune what a config describes.

Examples:
  python tools/train.py configs/soco/CONFIG.py
  python tools/train.py configs/soco/CONFIG.py --amp --resume
  python tools/train.py configs/finetune/CONFIG.py --cfg-options
      load_from=work_dirs/exported.pth

On several GPUs or CPU processes: tools/dist_train.sh; under Slurm:
tools/slurm_train.sh.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config

import mmsoco.registry  # noqa: F401  (makes the scope known)
from mmsoco.checkpoints.io import latest_checkpoint
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
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='continue from CHECKPOINT or, without a name, from the newest '
        'one in the work dir; if there is none, start',
    )
    parser.add_argument(
        '--amp',
        nargs='?',
        const='bf16',
        choices=('bf16', 'fp16'),
        help='train in mixed precision (without a value: bf16)',
    )
    add_common_arguments(parser)
    return parser.parse_args(argv)


def set_resume(cfg: Config, resume: str | None) -> None:
    """Lets the run continue from a checkpoint.

    Args:
        cfg: changed: ``resume`` and, where there is a checkpoint,
            ``load_from``.
        resume: a checkpoint, ``'auto'`` for the newest one, or None.

    Raises:
        FileNotFoundError: the named checkpoint does not exist.
    """
    if resume is None and not cfg.get('resume'):
        return
    if resume not in (None, 'auto'):
        checkpoint = Path(resume)
        if not checkpoint.is_file():
            raise FileNotFoundError(
                f'There is no checkpoint {checkpoint} to resume from. '
                '--resume without a name takes the newest one in the work '
                'dir.'
            )
    else:
        checkpoint = latest_checkpoint(cfg.work_dir)
    # Without a checkpoint the run starts, from load_from where it is set.
    cfg.resume = checkpoint is not None
    if checkpoint is None:
        print(f'Nothing to resume in {cfg.work_dir}: the run starts.')
    else:
        cfg.load_from = str(checkpoint)


def set_precision(cfg: Config, precision: str | None) -> None:
    """Lets the run train in mixed precision.

    Args:
        cfg: changed: ``optim_wrapper``.
        precision: ``'bf16'``, ``'fp16'`` or None, which changes nothing.
    """
    if precision is not None:
        cfg.optim_wrapper.type = 'mmsoco.MixedPrecisionOptimWrapper'
        cfg.optim_wrapper.precision = precision


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the training.

    Args:
        argv: arguments; those of the process if None.
    """
    args = parse_args(argv)
    with reported_errors(args):
        cfg = load_config(args)
        set_resume(cfg, args.resume)
        set_precision(cfg, args.amp)
        RUNNERS.build(cfg).train()


if __name__ == '__main__':
    main()
