"""What the command lines of training and evaluation share."""

import argparse
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.config import Config, DictAction

# What bad input raises: a wrong path, value, type or name, a full disk.
USER_ERRORS = (OSError, ValueError, TypeError, KeyError)
TRACEBACK_NAME = 'error.txt'


class OptionsAction(DictAction):
    """Reads KEY=VALUE; a plain value such as a path keeps its spaces.

    mmengine's action takes all spaces out, so that a folder "my pictures"
    would not be found.
    """

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Sequence[str],
        option_string: str | None = None,
    ) -> None:
        """Adds the values to the namespace; refuses one without ``=``."""
        for value in values:
            if '=' not in value:
                parser.error(
                    f'{option_string} expects KEY=VALUE, but got {value!r}; '
                    'quote a value with spaces'
                )
        super().__call__(parser, namespace, values, option_string)

    @staticmethod
    def _parse_iterable(val: str) -> Any:
        plain = val.strip('\'"')
        if plain.startswith(('[', '(')) or ',' in plain:
            return DictAction._parse_iterable(val)
        return DictAction._parse_int_float_bool(plain)


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    """Adds ``--cfg-options``.

    Args:
        parser: the parser to add it to.
    """
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=OptionsAction,
        default={},
        metavar='KEY=VALUE',
        help='settings that replace those of the config, such as '
        'train_dataloader.batch_size=64',
    )


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that every run of a config has.

    Args:
        parser: the parser to add them to.
    """
    parser.add_argument(
        '--work-dir',
        type=Path,
        help='folder of logs and results (default: work_dirs/CONFIG_NAME)',
    )
    add_cfg_options(parser)
    parser.add_argument(
        '--launcher',
        choices=('none', 'pytorch', 'slurm', 'mpi'),
        default='none',
        help='what started the processes (set by the dist_*.sh and '
        'slurm_*.sh scripts)',
    )


def load_config(args: argparse.Namespace) -> Config:
    """Reads the config and applies the command line to it.

    Args:
        args: ``config`` and the arguments of :func:`add_common_arguments`.

    Returns:
        The config, with ``work_dir``, ``launcher`` and ``runner_type`` set.

    Raises:
        FileNotFoundError: there is no such config.
    """
    if not args.config.is_file():
        raise FileNotFoundError(
            f'There is no config {args.config}. The configs are below '
            'configs/soco (pretraining) and configs/finetune.'
        )
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options)
    cfg.launcher = args.launcher
    cfg.setdefault('runner_type', 'mmsoco.Runner')
    default = cfg.get('work_dir') or Path('work_dirs', args.config.stem)
    cfg.work_dir = str(args.work_dir or default)
    return cfg


@contextmanager
def reported_errors(args: argparse.Namespace) -> Iterator[None]:
    """Ends the process with a message instead of a traceback.

    The traceback goes to a file in the work dir, which the message names.

    Args:
        args: ``config`` and ``work_dir`` of the command line.

    Raises:
        SystemExit: an error that bad input can cause.
    """
    try:
        yield
    except USER_ERRORS as error:
        message = f'error: {_message(error)}'
        if args.config.is_file():  # else there is no run
            work_dir = args.work_dir or Path('work_dirs', args.config.stem)
            message += f'\n{_save_traceback(work_dir)}'
        raise SystemExit(message) from None


def _message(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f'{error.strerror}: {error.filename}'
    text = str(error.args[0]) if error.args else type(error).__name__
    if text.startswith('Caught '):  # torch hands on a worker's traceback
        text = text.strip().splitlines()[-1]
    return text


def _save_traceback(work_dir: Path) -> str:
    path = work_dir / TRACEBACK_NAME
    try:
        work_dir.mkdir(parents=True, exist_ok=True)
        path.write_text(traceback.format_exc())
    except OSError as error:
        return f'(the traceback could not be saved: {error})'
    return f'(traceback: {path})'
