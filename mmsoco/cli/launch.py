"""Options, config and environment of the verbs that run a config."""

from __future__ import annotations

import argparse
import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from mmsoco.cli.common import add_cfg_options
from mmsoco.cli.option_types import integer, path

if TYPE_CHECKING:
    from mmengine.config import Config

# Environment variables that are also read without a launcher.
_OF_RANK = ('RANK', 'LOCAL_RANK')
_SET_BY = {
    'pytorch': (
        'RANK', 'LOCAL_RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT',
    ),
    'slurm': ('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_NODELIST'),
    'mpi': ('OMPI_COMM_WORLD_LOCAL_RANK', 'OMPI_COMM_WORLD_SIZE'),
}  # fmt: skip
_STARTED_BY = {
    'pytorch': 'start the processes with tools/dist_train.sh or torchrun',
    'slurm': 'start the processes with tools/slurm_train.sh or srun',
    'mpi': 'start the processes with mpirun',
}
_TEXTS = ('MASTER_ADDR', 'SLURM_NODELIST')
# Without one of these, mmengine fails after half a minute of building.
_NEEDED = {
    'train': ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper'),
    'test': ('model', 'test_dataloader', 'test_cfg', 'test_evaluator'),
}


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that every run of a config has."""
    parser.add_argument(
        '--work-dir',
        type=path,
        metavar='DIR',
        help='folder for logs and results (default: work_dirs/CONFIG_NAME)',
    )
    add_cfg_options(parser)
    parser.add_argument(
        '--launcher',
        choices=('none', 'pytorch', 'slurm', 'mpi'),
        default='none',
        help='program that started the processes (set by the dist_*.sh and '
        'slurm_*.sh scripts)',
    )
    # mim starts several processes with torch.distributed.launch, which adds
    # this; the rank comes from the environment.
    parser.add_argument(
        '--local-rank', type=integer(0), help=argparse.SUPPRESS
    )


def check_environment(launcher: str) -> None:
    """Refuse environment variables that torch and mmengine could not read.

    Args:
        launcher: The program that started the processes, see ``--launcher``.

    Raises:
        ValueError: If a variable is missing that the launcher sets, or is not
            a whole number.
    """
    needed = _SET_BY.get(launcher, ())
    missing = [name for name in needed if name not in os.environ]
    if missing:
        raise ValueError(
            f'--launcher {launcher}, but {", ".join(missing)} is not set in '
            f'the environment: {_STARTED_BY[launcher]}'
        )
    for name in (*_OF_RANK, *needed):
        value = os.environ.get(name, '0')
        if name not in _TEXTS and not re.fullmatch('[0-9]+', value):
            raise ValueError(
                f'the variable {name} of the environment expects a whole '
                f'number, but is {value!r}; type: unset {name}'
            )


def load_config(args: argparse.Namespace, split: str = 'train') -> Config:
    """Read the config of a run and apply the command line to it.

    Args:
        args: ``config`` and the options of `add_run_options`.
        split: The data that the run reads, ``'train'`` or ``'test'``.

    Returns:
        The config, with ``work_dir``, ``launcher`` and ``runner_type`` set.

    Raises:
        FileNotFoundError: If there is no such config, or it is the
            ``finetune.py`` of a pretraining, still without labels.
        ValueError: If it cannot be read as a config, lacks a part that the run
            needs, or has a key that nothing reads; or an environment variable
            is not a number.
    """
    from mmsoco.config.reading import read_config

    check_environment(args.launcher)
    cfg = read_config(args.config, args.cfg_options)
    cfg.launcher = args.launcher
    cfg.setdefault('runner_type', 'mmsoco.Runner')
    default = cfg.get('work_dir') or Path('work_dirs', args.config.stem)
    cfg.work_dir = os.path.expanduser(args.work_dir or default)
    _refuse_incomplete(args.config, cfg, split)
    _refuse_unfilled(args.config, cfg, split)
    return cfg


def _refuse_incomplete(config: Path, cfg: Config, split: str) -> None:
    """Refuse a config that lacks keys for a run of a split."""
    missing = [key for key in _NEEDED[split] if not cfg.get(key)]
    if not missing:
        return
    message = f'{config} has no {", ".join(missing)}'
    if split == 'test' and cfg.get('train_dataloader'):
        message += (
            ': it describes a training alone, as pretrainings do, which '
            'detect nothing. Test with the config of a fine-tuning'
        )
    else:
        message += (
            f'; `mmsoco {split}` expects the whole config of a run, such as '
            'those that `mmsoco pretrain` writes'
        )
    raise ValueError(message)


def _refuse_unfilled(config: Path, cfg: Config, split: str) -> None:
    """Refuse a pretraining's ``finetune.py`` before it names labels."""
    folder = config.parent
    is_of_pretraining = config.name == 'finetune.py' and (
        (folder / 'detector.pth').is_file()
    )
    dataset = (cfg.get(f'{split}_dataloader') or {}).get('dataset') or {}
    labels = dataset.get('ann_file')
    if not is_of_pretraining or not labels or '://' in labels:
        return
    labels = os.path.join(dataset.get('data_root') or '', labels)
    if os.path.exists(labels):
        return
    raise FileNotFoundError(
        f'{config} does not name your labels yet: {split}_dataloader.dataset.'
        f'ann_file is {labels!r}, which is not there. `mmsoco finetune '
        f'{shlex.quote(str(folder))} --train LABELS --train-images DIR --val '
        'LABELS --val-images DIR` fills in a copy and trains it. By hand: '
        'edit ann_file, data_prefix and metainfo.classes of '
        'train_dataloader.dataset and test_dataloader.dataset, '
        'test_evaluator.ann_file, and every num_classes of the model'
    )
