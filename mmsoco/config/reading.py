"""Read a config file and apply a command line to it."""

from __future__ import annotations

import errno
import os
import tempfile
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmsoco.config.keys import COMMAND_LINE, check_keys, check_options

if TYPE_CHECKING:
    from mmengine.config import Config

# What a folder that takes no more bytes answers.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


def read_config(path: str | os.PathLike, options: dict[str, Any]) -> Config:
    """Read a config and apply ``--cfg-options`` to it.

    Args:
        path: The file, or ``SCOPE::FILE`` for a config that a package ships,
            such as ``mmsoco::demo/X.py``.
        options: Values by dotted key, as typed.

    Returns:
        The config.

    Raises:
        FileNotFoundError: If there is no such config.
        ValueError: If it cannot be read as a config, or nothing reads a key of
            the file or of the options.
    """
    file = find_config(path)
    cfg = read_file(file)
    check_keys(cfg, file)
    apply_options(cfg, options)
    return cfg


def apply_options(
    cfg: Config, options: Mapping[str, Any], source: str = COMMAND_LINE
) -> None:
    """Apply options, such as those of ``--cfg-options``, to a config.

    Args:
        cfg: The config; it is changed.
        options: Values by dotted key.
        source: Where the options come from, for messages.

    Raises:
        ValueError: If nothing reads a key, or it does not fit the config.
    """
    check_options(cfg, options, source)
    for key, value in options.items():
        _merge(cfg, key, value, source)
    check_keys(cfg)


def set_precision(cfg: Config, precision: str | None) -> None:
    """Let a run train in a precision.

    Args:
        cfg: Changed: ``optim_wrapper``.
        precision: ``'bf16'`` or ``'fp16'``; ``'fp32'`` and None change
            nothing.
    """
    if precision not in (None, 'fp32'):
        cfg.optim_wrapper.type = 'mmsoco.MixedPrecisionOptimWrapper'
        cfg.optim_wrapper.precision = precision


def read_file(file: str | os.PathLike) -> Config:
    """Read any file in mmengine's config language.

    Raises:
        ValueError: If it cannot be read, or is empty; the message names file
            and line.
    """
    from mmengine.config import Config

    file = os.fspath(file)
    if Path(file).suffix not in ('.py', '.json', '.yaml', '.yml'):
        raise ValueError(
            f'expected a config file that ends in .py, .json or .yaml, got '
            f'{file}'
        )
    _refuse_circle(file, ())
    try:
        cfg = Config.fromfile(file)
    except Exception as error:  # a config is code and can raise anything
        raise ValueError(_unreadable(file, error)) from error
    if not len(cfg):
        raise ValueError(f'the config {file} is empty: it sets no key')
    return cfg


def find_config(path: str | os.PathLike) -> str:
    """Return the file of a config; see `read_config`."""
    text = os.fspath(path)
    if '::' in text:
        return _shipped(text)
    if os.path.isdir(text):
        raise IsADirectoryError(
            f'expected a config file, but {text} is a folder; name a file '
            'in it'
        )
    if not os.path.isfile(text):
        raise FileNotFoundError(
            f'There is no config {text}. The configs are below configs/soco '
            '(pretraining) and configs/finetune; one of a package is named '
            'like mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py.'
        )
    return text


def _refuse_circle(file: str, above: tuple[str, ...]) -> None:
    """Refuse a config that inherits from itself, which would never end.

    Raises:
        ValueError: If it does; the message names the files.
    """
    from mmengine.config import Config

    name = os.path.realpath(file)
    if name in above:
        raise ValueError(
            f'the config {file} inherits itself through _base_: '
            f'{" -> ".join([*above[above.index(name) :], name])}'
        )
    try:
        bases = Config._get_base_files(file)
    except Exception:  # reading the config will report the error
        return
    for base in bases:
        below = os.path.join(os.path.dirname(file), str(base))
        if '::' not in str(base) and os.path.isfile(below):
            _refuse_circle(below, (*above, name))


def _shipped(text: str) -> str:
    """Return the file of ``SCOPE::FILE``."""
    from mmengine.config import Config

    try:
        return Config._get_cfg_path(text, '')[0]
    except Exception as error:  # mmengine raises errors of many types here
        raise FileNotFoundError(
            f'There is no config {text}: {error}. Expected PACKAGE::FILE '
            'below the configs of an installed package, such as '
            'mmsoco::demo/NAME.py.'
        ) from error


def _unreadable(file: str, error: Exception) -> str:
    """Describe where reading a config failed."""
    cause: BaseException = error
    # mmengine does not chain the error of a module that cannot be imported.
    while inner := cause.__cause__ or (
        isinstance(cause, ImportError) and cause.__context__
    ):
        cause = inner
    if isinstance(cause, SyntaxError):
        place = f'{cause.filename or file}, line {cause.lineno}'
        return f'the config {file} is not Python: {cause.msg} ({place})'
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(cause.__traceback__)
        if frame.filename == '<string>' or frame.filename.endswith(file)
    ]
    place = f', line {lines[-1]}' if lines else ''
    remedy = ''
    if isinstance(cause, ModuleNotFoundError):
        remedy = (
            '. Install the package, or put the folder of your own module on '
            'PYTHONPATH (before the command: PYTHONPATH=FOLDER)'
        )
    elif isinstance(cause, OSError) and cause.errno in _FULL:
        remedy = (
            f'. It is copied to {tempfile.gettempdir()}: free space there, or '
            'set TMPDIR to another folder'
        )
    return (
        f'the config {file} cannot be read{place}: '
        f'{type(cause).__name__}: {cause}{_place_in_module(cause)}{remedy}'
    )


def _place_in_module(error: BaseException) -> str:
    """Return file and line of an error in a module that a config imports."""
    frames = traceback.extract_tb(error.__traceback__)
    imports = [f.filename.startswith('<frozen importlib') for f in frames]
    if not any(imports) or imports[-1]:
        return ''
    return f' ({frames[-1].filename}, line {frames[-1].lineno})'


def _merge(cfg: Config, key: str, value: Any, source: str) -> None:
    """Set one dotted key.

    Raises:
        ValueError: If a part of the key does not exist; the message names it.
    """
    try:
        cfg.merge_from_dict({key: value})
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        text = error.args[0] if error.args else type(error).__name__
        raise ValueError(
            f'{source} {key}={value} does not fit the config: {text}'
        ) from error
