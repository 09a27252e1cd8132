"""Read and write checkpoint files without running code in them.

Published and foreign files are loaded as tensors and plain values only. Two
kinds of files may hold a few further types, which are also just data: the
checkpoints of our own runs, and those of SoCo's authors.
"""

import argparse
import pickle
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging.history_buffer import HistoryBuffer
from numpy._core import multiarray

from mmsoco.structures import InputConvention
from mmsoco.utils.files import atomic_path, link_note

from . import integrity


class RefusedCheckpointError(ValueError):
    """A file that holds more than data; nothing of it was run."""


class BrokenCheckpointError(ValueError):
    """A file that cannot be read as a checkpoint."""


def _history_method(owner: Any, name: str) -> Any:
    """Replace `getattr`, which pickles use to name HistoryBuffer's methods.

    Raises:
        UnpicklingError: If a file asks for anything else.
    """
    if owner is not HistoryBuffer or name.startswith('_'):
        raise pickle.UnpicklingError(
            f'attribute {name!r} of {owner!r} is not allowed'
        )
    return getattr(owner, name)


# What a training checkpoint holds in addition to tensors and plain values: the
# logged history, in numpy arrays. torch >= 2.6 refuses types that are not
# named.
RUN_TYPES = (
    HistoryBuffer,
    np.ndarray,
    np.dtype,
    np.dtypes.Float64DType,
    np.dtypes.Int64DType,
    multiarray._reconstruct,
    multiarray.scalar,
    (_history_method, 'builtins.getattr'),
)
# The authors keep their command line in the checkpoint.
REFERENCE_TYPES = (argparse.Namespace,)


_MOST_READ = 64
_PAGE = ('a web page', 'download the file itself, not the page that shows it')
# With which bytes they begin, in lower case; what they are; what to do.
_OTHER_KINDS = {
    b'version https://git-lfs': (
        'a pointer of Git LFS',
        'run `git lfs pull` in its repository, or download the file itself',
    ),
    b'<!doctype html': _PAGE,
    b'<html': _PAGE,
}


@contextmanager
def run_types() -> Iterator[None]:
    """Let torch load the types in checkpoints of our own runs."""
    with torch.serialization.safe_globals(list(RUN_TYPES)):
        yield


def load(path: str | Path, types: Sequence[Any] = ()) -> dict:
    """Load a checkpoint file to the CPU.

    Args:
        path: The file.
        types: Types that are accepted in addition to tensors and plain values.

    Returns:
        What the file holds.

    Raises:
        FileNotFoundError: If there is no such file.
        IsADirectoryError: If it is a folder.
        ValueError: If the file is broken, differs from its checksums, is not
            a checkpoint, or holds objects of further types; nothing of it was
            run.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(
            f'{path} is a folder; name the checkpoint itself'
        )
    if not path.is_file():
        raise FileNotFoundError(
            f'there is no checkpoint {path}{link_note(path)}'
        )
    integrity.check_bytes(path)
    _refuse_other_kinds(path)
    with readable_errors(path), torch.serialization.safe_globals(list(types)):
        content = torch.load(path, map_location='cpu', weights_only=True)
    if not isinstance(content, dict):
        raise ValueError(
            f'{path} holds a {type(content).__name__}, expected a dict of '
            'tensors or of parts with a "state_dict"'
        )
    if content.get('meta', ...) is None:
        del content['meta']
    check_content(content, path)
    return content


def _refuse_other_kinds(path: Path) -> None:
    """Refuse files that often have the name of a checkpoint.

    Raises:
        BrokenCheckpointError: If it is one; the message says what to do.
    """
    with path.open('rb') as file:
        start = file.read(_MOST_READ).lstrip().lower()
    for sign, (kind, remedy) in _OTHER_KINDS.items():
        if start.startswith(sign):
            raise BrokenCheckpointError(
                f'{path} is not a checkpoint, but {kind}: {remedy}'
            )
    if zipfile.is_zipfile(path) and _is_torchscript(path):
        raise BrokenCheckpointError(
            f'{path} is not a checkpoint of tensors by name, but a compiled '
            'model (TorchScript), whose code would run: save the state_dict() '
            'of the model that it was made from'
        )


def _is_torchscript(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        return any(
            name.endswith('/constants.pkl') for name in archive.namelist()
        )


def check_content(checkpoint: Mapping, path: str | Path) -> None:
    """Check a checkpoint's meta, and its tensors by the checksum there.

    Args:
        checkpoint: What a checkpoint file holds; it may lack both.
        path: The file, for the message.

    Raises:
        ValueError: If the meta is not a dict or has an invalid input
            convention, or the tensors are not those that were exported.
    """
    meta = checkpoint.get('meta') or {}
    if not isinstance(meta, Mapping):
        raise ValueError(
            f'{path}: expected a dict under "meta", got a '
            f'{type(meta).__name__}'
        )
    try:
        InputConvention.of_meta(meta)
    except (TypeError, ValueError) as error:
        raise ValueError(f'{path}: {error}') from error
    if integrity.CHECKSUM in meta:
        state = state_dict_of(checkpoint, path)
        integrity.check_checksum(state, meta, path)


@contextmanager
def readable_errors(path: Any) -> Iterator[None]:
    """Translate the errors of torch while it loads a file.

    Args:
        path: The file, for the message.

    Raises:
        RefusedCheckpointError: If the file holds objects of further types.
        ValueError: If the file is broken or is not a checkpoint.
    """
    try:
        yield
    except pickle.UnpicklingError as error:
        raise RefusedCheckpointError(
            f'{path} is not a checkpoint of tensors and plain values: '
            f'{_refused(error)}. Nothing of it was run. If you trust the '
            'file, write its tensors to a new one with the program that made '
            'it.'
        ) from error
    except (FileNotFoundError, RefusedCheckpointError, BrokenCheckpointError):
        raise
    except Exception as error:  # broken bytes lead to errors of any type
        raise BrokenCheckpointError(
            f'{path} cannot be read as a checkpoint: it is another file, or '
            f'damaged or cut short ({type(error).__name__}: {error}). Copy or '
            'download it again, or name another file.'
        ) from error


def _refused(error: Exception) -> str:
    """Return the line of torch's message that names the refused type.

    If there is no such line, torch could not read the bytes at all, and its
    message advises to load them as code.
    """
    lines = str(error).splitlines()
    named = [line.strip() for line in lines if 'GLOBAL' in line]
    if not named and 'Weights only load failed' in str(error):
        return 'its bytes are not what `torch.save` writes by itself'
    return (named or lines or [type(error).__name__])[0].rstrip('.')


def load_run(path: str | Path) -> dict:
    """Load a checkpoint of one of our own runs; see `load`."""
    return load(path, RUN_TYPES)


def load_reference(path: str | Path) -> dict:
    """Load a checkpoint of SoCo's authors; see `load`."""
    return load(path, REFERENCE_TYPES)


def state_dict_of(checkpoint: Mapping, path: str | Path) -> dict:
    """Return the tensors of a checkpoint by name.

    Args:
        checkpoint: What a checkpoint file holds.
        path: The file, for the message.

    Returns:
        The part ``state_dict`` (OpenMMLab) or ``model`` (the authors,
        detectron2), or the whole file if it holds only tensors, without the
        prefix ``module.`` of data-parallel wrappers.

    Raises:
        ValueError: If there are no tensors.
    """
    state = checkpoint.get('state_dict', checkpoint.get('model', checkpoint))
    is_state = isinstance(state, Mapping) and bool(state)
    if not is_state or not all(
        isinstance(name, str) and torch.is_tensor(value)
        for name, value in state.items()
    ):
        raise ValueError(
            f'{path} has no weights: expected a part "state_dict" or "model" '
            'with tensors by name, got the parts '
            f'{sorted(map(str, checkpoint))[:8]}'
        )
    return {key.removeprefix('module.'): v for key, v in state.items()}


def weights_of(checkpoint: Mapping, path: str | Path) -> dict:
    """Return a checkpoint's tensors, finite and real; see `state_dict_of`.

    Args:
        checkpoint: What a checkpoint file holds.
        path: The file, for the message.

    Raises:
        ValueError: If there are no tensors, some are not finite, or weights
            are not of floating point.
    """
    state = state_dict_of(checkpoint, path)
    integrity.check_real(state, path)
    integrity.check_finite(state, path)
    return state


def save_atomic(content: Any, path: str | Path) -> None:
    """Save under a name that appears only when the file is complete.

    Args:
        content: What `torch.save` takes.
        path: The file; its folder is created.

    Raises:
        OSError: If the file could not be written; an earlier file is
            unchanged.
    """
    with atomic_path(path) as partial:
        torch.save(content, partial)
