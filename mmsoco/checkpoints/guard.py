"""Load weights only as data, and only if they are finite.

A pickle can run code while it is loaded. `tensors_only` guards `torch.load`
itself, which all loaders of mmengine, mmdet and torch.hub use, and
`guard_loader` applies it to mmengine's table of locations (files, ``http://``,
``s3://``, ``torchvision://``, ...).
"""

import functools
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import torch
from torch import Tensor

from mmsoco.checkpoints.integrity import check_bytes, is_finite
from mmsoco.checkpoints.io import readable_errors
from mmsoco.checkpoints.locations import local_file

_NAMED = 3  # number of tensors named in a message
_lock = threading.RLock()


@contextmanager
def tensors_only() -> Iterator[None]:
    """Make each `torch.load` refuse a file that holds more than data.

    A caller's ``weights_only=False`` is overruled, because the maintained
    forks of mmengine load a refused file again in that way. Types allowed by
    `torch.serialization.safe_globals` stay allowed.
    """
    with _lock:
        original = torch.load

        @functools.wraps(original)
        def load(file: Any, *args: Any, **kwargs: Any) -> Any:
            # A pickle module given by the caller would bypass the guard.
            kwargs.pop('pickle_module', None)
            kwargs['weights_only'] = True
            with readable_errors(file):
                return original(file, *args[:1], **kwargs)

        torch.load = load
        try:
            yield
        finally:
            torch.load = original


def guard_loader(loader: Any) -> None:
    """Guard every location that mmengine's `CheckpointLoader` knows.

    Args:
        loader: The class; a second call changes nothing.
    """
    unguarded = loader.load_checkpoint.__func__
    if hasattr(unguarded, '__wrapped__'):
        return

    @functools.wraps(unguarded)
    def load_checkpoint(
        cls: type, filename: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """Read nothing but tensors and plain values from an intact file."""
        location = local_path(filename)
        if location.startswith(('http://', 'https://')):
            # mmengine's cache knows files by their names alone.
            location = str(local_file(location))
        path = Path(location).expanduser()
        if path.is_file():
            check_bytes(path)
        try:
            with tensors_only():
                content = unguarded(cls, location, *args, **kwargs)
        except KeyError as error:  # of torchvision:// and open-mmlab://
            raise ValueError(
                f'{filename}: there are no weights of the name {error}'
            ) from error
        if not isinstance(content, Mapping):
            raise ValueError(
                f'{filename} holds a {type(content).__name__}, expected a '
                'dict of tensors or of parts with a "state_dict"'
            )
        drop_code(content)
        refuse_not_finite(content, filename)
        return content

    loader.load_checkpoint = classmethod(load_checkpoint)


def local_path(location: Any) -> str:
    """Turn a ``file://`` location into a path; return others unchanged."""
    location = str(location)
    if not location.lower().startswith('file:'):
        return location
    return url2pathname(urlsplit(location).path)


def drop_code(content: Any) -> None:
    """Remove the config text that mmengine runs when it resumes a file.

    Args:
        content: What a checkpoint holds; changed.
    """
    if isinstance(content, Mapping) and isinstance(content.get('meta'), dict):
        content['meta'].pop('config', None)


def refuse_not_finite(content: Any, path: Any) -> None:
    """Refuse weights and states that hold NaN or infinity.

    Args:
        content: What a checkpoint holds.
        path: The file, for the message.

    Raises:
        ValueError: If a tensor is not finite.
    """
    names = not_finite(content)
    if names:
        raise ValueError(
            f'{path}: {describe_not_finite(names)}. The training that wrote '
            'it had failed; take an earlier checkpoint.'
        )


def describe_not_finite(names: list[str]) -> str:
    """Say how many tensors hold NaN or infinity, and name the first ones."""
    more = ', ...' if len(names) > _NAMED else ''
    return (
        f'{len(names)} tensors hold values that are not finite (NaN or '
        f'infinity): {", ".join(names[:_NAMED])}{more}'
    )


def not_finite(content: Any) -> list[str]:
    """Name the tensors that hold NaN or infinity, or nothing (torch's "meta").

    Args:
        content: Nested dicts and sequences with tensors at the ends.

    Returns:
        Their keys, joined by slashes, in order.
    """
    return [
        '/'.join(map(str, path))
        for path, tensor in _tensors(content, ())
        if tensor.is_meta or not is_finite(tensor)
    ]


def _tensors(content: Any, path: tuple) -> Iterator[tuple[tuple, Tensor]]:
    """Yield each tensor with the keys that lead to it."""
    if isinstance(content, Tensor):
        yield path, content
    elif isinstance(content, Mapping):
        for key, value in content.items():
            yield from _tensors(value, (*path, key))
    elif isinstance(content, list | tuple):
        for index, value in enumerate(content):
            yield from _tensors(value, (*path, index))
