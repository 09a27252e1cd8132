"""Find weights by paths, addresses, and OpenMMLab's names for addresses.

The result is always a file on this machine, which the reader of checkpoints
opens without running code in it.
"""

import codecs
import hashlib
import importlib
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import numpy as np
import torch
from numpy._core import multiarray

from mmsoco.utils.files import atomic_path, link_note

from . import io

# A name with the first digits of the file's own hash, as torch writes it; with
# a letter, since a date or an iteration has none.
_HASHED = re.compile(r'-(?=[0-9]*[a-f])[0-9a-f]{8,}\.')
_DIGITS = 16
_SCHEME = re.compile(r'(?P<scheme>[\w+-]+)://(?P<rest>.+)')


def local_file(location: str | Path) -> Path:
    """Return the file that a location names, and download it where needed.

    Args:
        location: A path; the address of a file (``http://``, ``https://``);
            ``torchvision://NAME`` or ``open-mmlab://NAME``, as mmengine
            reads them.

    Raises:
        FileNotFoundError: If there is no such file.
        IsADirectoryError: If it is a folder.
        ValueError: If the scheme or the name is unknown.
        OSError: If it could not be downloaded.
    """
    match = _SCHEME.fullmatch(str(location))
    if match is None:
        path = Path(location)
        if path.is_dir():
            raise IsADirectoryError(
                f'{path} is a folder; name the checkpoint itself, such as '
                f'{path / "detector.pth"}'
            )
        if not path.is_file():
            raise FileNotFoundError(
                f'there is no checkpoint {path}{link_note(path)}'
            )
        return path
    scheme, rest = match['scheme'], match['rest']
    if scheme in ('http', 'https'):
        return _download(str(location))
    if scheme == 'file':
        return local_file('/' + rest.lstrip('/'))
    return _download(_address(scheme, rest))


def _address(scheme: str, name: str) -> str:
    """Return the address behind one of mmengine's names."""
    from mmengine.runner import checkpoint

    tables = {
        'torchvision': checkpoint.get_torchvision_models,
        'open-mmlab': checkpoint.get_external_models,
        'openmmlab': checkpoint.get_external_models,
    }
    if scheme not in tables:
        raise ValueError(
            f'{scheme}://{name} is not a location of weights: expected a '
            'file, http(s)://, torchvision:// or open-mmlab://'
        )
    addresses = tables[scheme]()
    if name not in addresses:
        raise ValueError(
            f'{scheme}:// has no weights {name!r}; it has '
            f'{", ".join(sorted(addresses)[:6])}, ...'
        )
    return addresses[name]


def _download(address: str) -> Path:
    """Return the file of an address, from torch's cache if it is there.

    torch finds a file there by its name alone, which is safe if a hash is a
    part of it. A name such as ``model_final.pth`` is that of many files, so
    they get a folder of their address.
    """
    name = Path(urlparse(address).path).name
    folder = Path(torch.hub.get_dir(), 'checkpoints')
    if not _HASHED.search(name):
        digest = hashlib.sha256(address.encode()).hexdigest()
        folder /= digest[:_DIGITS]
    path = folder / name
    if path.is_file():
        return path
    try:
        with atomic_path(path) as partial:
            torch.hub.download_url_to_file(address, str(partial))
    except OSError as error:
        raise OSError(
            f'{address} could not be downloaded ({error.__cause__ or error}). '
            'Fetch the file on another machine and name its path instead, or '
            "train without it (init='scratch')."
        ) from error
    return path


def load_weights(location: str | Path) -> dict:
    """Load a checkpoint of any program, as tensors and plain values.

    Args:
        location: See `local_file`. Files of `torch.save`, and the pickles of
            arrays (``.pkl``) of detectron2.

    Returns:
        What the file holds.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is broken, or holds more than tensors and plain
            values; nothing of it was run.
    """
    path = local_file(location)
    if path.suffix == '.pkl':
        return _load_arrays(path)
    return io.load(path, (*io.RUN_TYPES, *io.REFERENCE_TYPES))


# NumPy's type hints lack it.
_numeric = importlib.import_module('numpy._core.numeric')


class _ArrayUnpickler(pickle.Unpickler):
    """Read arrays, and nothing that runs code."""

    _ALLOWED = {
        ('numpy', 'ndarray'): np.ndarray,
        ('numpy', 'dtype'): np.dtype,
        ('collections', 'OrderedDict'): dict,
        ('_codecs', 'encode'): codecs.encode,  # bytes in protocol 2
    }
    # NumPy 1 and NumPy 2 write different module names.
    _ALLOWED |= {
        (f'numpy.{core}.multiarray', name): getattr(multiarray, name)
        for core in ('core', '_core')
        for name in ('_reconstruct', 'scalar')
    }
    _ALLOWED |= {
        (f'numpy.{core}.numeric', '_frombuffer'): _numeric._frombuffer
        for core in ('core', '_core')
    }

    def find_class(self, module: str, name: str) -> Any:
        """Return an allowed type; refuse any other."""
        if (module, name) in self._ALLOWED:
            return self._ALLOWED[module, name]
        raise pickle.UnpicklingError(f'{module}.{name} is not allowed')


def _load_arrays(path: Path) -> dict:
    try:
        with open(path, 'rb') as file:
            content = _ArrayUnpickler(file, encoding='latin1').load()
    except Exception as error:  # broken bytes lead to errors of any type
        raise ValueError(
            f'{path} cannot be read as a pickle of arrays ({error}). Nothing '
            'of it was run.'
        ) from error
    if not isinstance(content, Mapping):
        raise ValueError(
            f'{path} holds a {type(content).__name__}, expected a dict of '
            'arrays'
        )
    arrays = content.get('model', content)
    state = {
        name: torch.as_tensor(np.array(value))
        for name, value in arrays.items()
        if isinstance(value, (np.ndarray, np.generic))
    }
    checkpoint = dict(state_dict=state, meta=content.get('meta') or {})
    io.check_content(checkpoint, path)
    return checkpoint
