"""What all verbs share: option types, config options, reported errors.

Importing this module imports the standard library only; mmengine is imported
when a config is read.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import re
import shlex
import signal
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, overload

from mmsoco.utils.machine import MOST_PROCESSES_PER_CORE
from mmsoco.utils.names import near
from mmsoco.utils.termination import ending_signals_raise

if TYPE_CHECKING:
    from mmengine.config import Config

_Namespace = TypeVar('_Namespace')
# What bad input raises: a wrong path, value, type or name, a full disk.
USER_ERRORS = (OSError, ValueError, TypeError, LookupError, ImportError)
TRACEBACK_NAME = 'error.txt'
INTERRUPTED = 'interrupted; run the same command to start over'
# What to do about errors of torch, by a part of their text.
HINTS = {
    'out of memory': 'Lower train_dataloader.batch_size, or --batch-size',
    'shared memory': 'Set train_dataloader.num_workers=0, or see '
    '`mmsoco doctor`',
    'bus error': 'Set train_dataloader.num_workers=0, or see `mmsoco doctor`',
    'address already in use': 'Set another port: PORT=29501',
    'eaddrinuse': 'Set another port: PORT=29501',
}
# Variables of the environment that are read without a launcher, too.
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
# Python also reads "1_000" and digits of other scripts: on a command line a
# slip of the finger.
_NUMBER = re.compile(
    r'\s*[+-]?[\d.]+(e[+-]?\d+)?\s*', re.ASCII | re.IGNORECASE
)
STATUS_ERROR = 1
# What shells report of a program that a signal has ended, added to it.
STATUS_SIGNAL = 128


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Keep the lines of descriptions, and names with hyphens in one piece."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(
            ' '.join(text.split()),
            width,
            break_on_hyphens=False,
            break_long_words=False,
        )


class Parser(argparse.ArgumentParser):
    """An argument parser that refuses abbreviations and suggests names.

    Args:
        kwargs: See `argparse.ArgumentParser`; the description keeps its
            lines.
    """

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault('allow_abbrev', False)
        kwargs.setdefault('formatter_class', HelpFormatter)
        super().__init__(**kwargs)
        self._typed: Sequence[str] = ()

    @overload
    def parse_known_args(
        self, args: Iterable[str] | None = None, namespace: None = None
    ) -> tuple[argparse.Namespace, list[str]]: ...

    @overload
    def parse_known_args(
        self, args: Iterable[str] | None, namespace: _Namespace
    ) -> tuple[_Namespace, list[str]]: ...

    @overload
    def parse_known_args(
        self, *, namespace: _Namespace
    ) -> tuple[_Namespace, list[str]]: ...

    def parse_known_args(
        self,
        args: Iterable[str] | None = None,
        namespace: _Namespace | None = None,
    ) -> tuple[_Namespace | argparse.Namespace, list[str]]:
        """Parse the command line; exit with 2 at an unknown argument."""
        self._typed = sys.argv[1:] if args is None else list(args)
        parsed, unknown = super().parse_known_args(self._typed, namespace)
        if unknown:
            name = unknown[0].partition('=')[0]
            hint = ''
            if name.startswith('-'):
                hint = near(name, self._option_string_actions)
            self.error(f'unknown argument: {" ".join(unknown)}{hint}')
        return parsed, []

    def error(self, message: str) -> NoReturn:
        """Exit with 2; say how to type a name that begins with a hyphen."""
        for word in self._typed:
            if word.startswith('-') and os.path.lexists(word):
                message += f'; the file or folder {word} is typed ./{word}'
                break
        super().error(message)


def path(text: str) -> Path:
    """Read a path option; refuse an empty one and addresses.

    An empty one would mean ``.``, and `Path` makes ``s3:/x`` of ``s3://x``.
    """
    if not text.strip():
        raise argparse.ArgumentTypeError('expected a path, got an empty text')
    if '://' in text:
        raise argparse.ArgumentTypeError(
            f'expected a file or folder of this machine, got the address '
            f'{text}; download it, and give its path'
        )
    # A shell leaves it in --out=~/run, and a folder "~" would be made.
    return Path(os.path.expanduser(text))


def checkpoint(text: str) -> Path:
    """Read the path of a checkpoint; refuse an address instead of one."""
    scheme, slashes, rest = text.partition('://')
    if slashes and scheme == 'file':
        return path('/' + rest.lstrip('/'))
    if slashes:
        raise argparse.ArgumentTypeError(
            f'expected a file of this machine, got the address {text}; '
            'download it, and name the file'
        )
    return path(text)


def integer(lowest: int, highest: int | None = None) -> Callable[[str], int]:
    """Return an option type: an integer of ``lowest`` to ``highest``."""
    limits = f'{lowest} or more'
    if highest is not None:
        limits = f'{lowest} to {highest}'

    def read(text: str) -> int:
        """Return the integer of an option's text."""
        try:
            value = int(_plain_number(text))
        except ValueError:
            value = None
        if value is None or value < lowest or value > (highest or value):
            raise argparse.ArgumentTypeError(
                f'expected an integer of {limits}, got {text!r}'
            )
        return value

    return read


def processes(text: str) -> int:
    """Read a number of processes or threads that this machine can bear."""
    most = MOST_PROCESSES_PER_CORE * (os.cpu_count() or 1)
    try:
        return integer(1, most)(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(
            f'{error} ({MOST_PROCESSES_PER_CORE} for each core)'
        ) from None


def number(
    lowest: float = -math.inf, highest: float = math.inf, above: bool = False
) -> Callable[[str], float]:
    """Return an option type: a finite number within limits.

    Args:
        lowest: The smallest value.
        highest: The largest value.
        above: Refuse ``lowest`` itself.
    """
    limits = []
    if lowest > -math.inf:
        limits.append(f'above {lowest:g}' if above else f'{lowest:g} or more')
    if highest < math.inf:
        limits.append(f'up to {highest:g}')

    def read(text: str) -> float:
        """Return the number of an option's text."""
        try:
            value = float(_plain_number(text))
        except ValueError:
            value = math.nan
        inside = lowest <= value <= highest and math.isfinite(value)
        if not inside or (above and value == lowest):
            raise argparse.ArgumentTypeError(
                f'expected a number {" and ".join(limits)}'.rstrip()
                + f', got {text!r}'
            )
        return value

    return read


def _plain_number(text: str) -> str:
    """Return a number's text; raise ValueError if it is written oddly."""
    if not _NUMBER.fullmatch(text):
        raise ValueError(f'not a plain number: {text!r}')
    return text


def duration(text: str) -> float:
    """Read a time such as 2h, 90m or 1h30m: seconds."""
    from mmsoco.workflow.settings import parse_time

    try:
        return parse_time(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_out(
    parser: argparse.ArgumentParser, what: str, positional: bool = True
) -> None:
    """Add ``--out``, the path of the output of a verb.

    The path may also be the last positional argument, as users of OpenMMLab's
    tools type it. Call this after the other positional arguments are added.

    Args:
        parser: The parser to add to.
        what: The output, for the help.
        positional: Whether the path may be given without ``--out``.
    """
    if positional:
        parser.add_argument(
            'out_positional', nargs='?', type=path, help=argparse.SUPPRESS
        )
    parser.add_argument(
        '--out', type=path, metavar='PATH', dest='out_option', help=what
    )


def resolve_out(
    parser: argparse.ArgumentParser, args: argparse.Namespace
) -> None:
    """Set ``args.out`` from either spelling; refuse none or both."""
    if 'out_option' not in args:
        return
    option = args.out_option
    positional = getattr(args, 'out_positional', None)
    if option and positional:
        parser.error(f'the output was named twice: {positional} and {option}')
    args.out = option or positional
    if args.out is None:
        parser.error('the following arguments are required: --out')


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """Add ``--overwrite``: without it, what exists is never replaced."""
    parser.add_argument(
        '--overwrite',
        action='store_true',
        help='replace an existing output of the same name',
    )


class OptionsAction(argparse.Action):
    """Read KEY=VALUE; a plain value such as a path keeps its spaces.

    mmengine's action takes all spaces out, so that a folder "my pictures"
    would not be found.
    """

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Add the values to the namespace; refuse one without ``=``."""
        options = dict(getattr(namespace, self.dest))
        for text in [values] if isinstance(values, str) else values or ():
            key, equals, value = text.partition('=')
            if not equals or not key.strip():
                parser.error(
                    f'{option_string} expects KEY=VALUE, but got {text!r}; '
                    'quote a value with spaces'
                )
            try:
                options[key.strip()] = option_value(value)
            except AssertionError as error:  # brackets that do not close
                parser.error(f'{option_string} {text}: {error}')
            except RecursionError:  # mmengine, on a list of dicts
                parser.error(
                    f'{option_string} {text}: only numbers, texts, lists and '
                    'tuples can be given here; put the rest in a config file'
                )
        setattr(namespace, self.dest, options)


def option_value(text: str) -> Any:
    """Return the value of a KEY=VALUE: a number, list, tuple, bool, text."""
    from mmengine.config import DictAction

    plain = text.strip('\'"')
    is_list = plain.startswith(('[', '(')) or ',' in plain
    if is_list and not os.path.exists(plain):  # a folder may be "a, b"
        return DictAction._parse_iterable(text)
    return DictAction._parse_int_float_bool(plain)


def add_cfg_options(
    parser: argparse.ArgumentParser | argparse._ArgumentGroup,
) -> None:
    """Add ``--cfg-options``."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=OptionsAction,
        default={},
        metavar='KEY=VALUE',
        help='settings that override the config, such as '
        'train_dataloader.batch_size=64',
    )


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
    parser.add_argument('--local-rank', type=int, help=argparse.SUPPRESS)


def check_environment(launcher: str) -> None:
    """Refuse variables that torch and mmengine could not read, by name.

    Args:
        launcher: What started the processes, see ``--launcher``.

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
        args: ``config`` and the options of `add_run_options`. Errors that
            follow are saved in the run's folder: ``log_folder`` is set.
        split: The data that the run reads, ``'train'`` or ``'test'``.

    Returns:
        The config, with ``work_dir``, ``launcher`` and ``runner_type`` set.

    Raises:
        FileNotFoundError: If there is no such config, or it is that of a
            pretraining and nobody has named labels in it.
        ValueError: If it cannot be read as a config, or a key of it is read by
            nothing; or a variable of the environment is no number.
    """
    from mmsoco.config.reading import read_config

    check_environment(args.launcher)
    cfg = read_config(args.config, args.cfg_options)
    cfg.launcher = args.launcher
    cfg.setdefault('runner_type', 'mmsoco.Runner')
    default = cfg.get('work_dir') or Path('work_dirs', args.config.stem)
    cfg.work_dir = os.path.expanduser(args.work_dir or default)
    # Leaves no traceback: `mmsoco finetune` wants the folder for itself.
    _refuse_unfilled(args.config, cfg, split)
    args.log_folder = Path(cfg.work_dir)
    return cfg


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


def call_reported(
    run: Callable[[argparse.Namespace], int | None],
    args: argparse.Namespace,
    interrupted: str = INTERRUPTED,
) -> int:
    """Run a verb; what goes wrong becomes a message and a status.

    Args:
        run: The verb's function.
        args: Its command line. Where ``run`` sets ``args.log_folder``, the
            traceback of an error is saved there, and the message names it.
        interrupted: Message after Ctrl-C: how to continue.

    Returns:
        The exit status: that of ``run`` (0 if None), 1 after an error, 130
        after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP.

    Raises:
        Exception: A bug, which is an error that input does not explain,
            where no folder takes its traceback.
    """
    try:
        with ending_signals_raise():
            return run(args) or 0
    except KeyboardInterrupt as stop:
        with contextlib.suppress(OSError):  # the terminal may be gone
            print(f'\n{interrupted}', file=sys.stderr)
        return STATUS_SIGNAL + getattr(stop, 'number', signal.SIGINT)
    except BrokenPipeError:
        # The reader of the output, such as `head`, has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return STATUS_ERROR
    except Exception as error:
        folder = getattr(args, 'log_folder', None)
        if folder is None and not _is_expected(error):
            raise
        print(f'error: {error_message(error)}', file=sys.stderr)
        if folder is not None:
            print(save_traceback(folder), file=sys.stderr)
        return STATUS_ERROR


def run_script(main: Callable[[], Any]) -> int:
    """Run the main function of a script; see `call_reported`.

    Returns:
        The exit status.
    """

    def run(_: argparse.Namespace) -> None:
        """Call the script, which reads its own command line."""
        main()

    return call_reported(run, argparse.Namespace())


def _is_expected(error: Exception) -> bool:
    """Return whether wrong input, rather than a bug, explains an error."""
    text = str(error.args[0]) if error.args else ''
    return isinstance(error, USER_ERRORS) or _is_written_for_the_reader(
        error, text
    )


def error_message(error: BaseException) -> str:
    """Say in plain words what an exception means.

    A message that was written for the reader is used alone. A message of
    Python or of another package gets its type and its place: "'area'", the
    whole text of a KeyError, says nothing by itself.
    """
    text = str(error.args[0]) if error.args else ''
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f'{error.strerror}: {error.filename}'
    if text.startswith('Caught '):  # torch passes on a worker's traceback
        return text.strip().splitlines()[-1]
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if _is_written_for_the_reader(error, text):
        return text
    kind, place = type(error).__name__, _place(error)
    hint = next((h for sign, h in HINTS.items() if sign in text.lower()), '')
    return ''.join(
        [
            f'{kind}: {text or "no message"}',
            f' ({place})' if place else '',
            f'. {hint}' if hint else '',
        ]
    )


def _is_written_for_the_reader(error: BaseException, text: str) -> bool:
    """Return whether an error's text is a sentence that code raised."""
    if isinstance(error, LookupError) or ' ' not in text.strip():
        return False
    frames = traceback.extract_tb(error.__traceback__)
    line = frames[-1].line if frames else None
    return not line or line.lstrip().startswith('raise')


def _place(error: BaseException) -> str:
    """Return file and line of an error's origin, such as ``a.py:12``."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return ''
    return f'{frames[-1].filename}:{frames[-1].lineno}'


def save_traceback(folder: Path) -> str:
    """Save the traceback of the exception that is being handled.

    Args:
        folder: Where ``error.txt`` goes; a process of another rank than 0
            has its own file.

    Returns:
        A line that names the file, or says why there is none.
    """
    rank = os.environ.get('RANK', '0')
    name = TRACEBACK_NAME if rank == '0' else f'error_rank{rank}.txt'
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(traceback.format_exc(), encoding='utf-8')
    except OSError as error:
        return f'(the traceback could not be saved: {error})'
    return f'(traceback: {folder / name})'
