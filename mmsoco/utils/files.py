"""Write files that are complete or absent, and fingerprint them."""

import codecs
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def sha256(path: str | os.PathLike) -> str:
    """Return the SHA-256 of a file's bytes, in hex digits."""
    with open(path, 'rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


def refuse_existing(path: str | os.PathLike, overwrite: bool) -> None:
    """Refuse to lose a file without being asked.

    Raises:
        FileExistsError: If the file exists, and ``overwrite`` is not set.
        IsADirectoryError: If the name is that of a folder.
    """
    if os.path.isdir(path):
        raise IsADirectoryError(
            f'{os.fspath(path)!r} is a folder; name the file to write'
        )
    if os.path.exists(path) and not overwrite:
        raise FileExistsError(
            f'{os.fspath(path)!r} exists; choose another name, or --overwrite'
        )


def refuse_within(out: str | os.PathLike, images: str | os.PathLike) -> None:
    """Refuse to put drawings where they would become pictures of a data set.

    Args:
        out: Folder of the drawings.
        images: Folder of the pictures, which is searched recursively.

    Raises:
        ValueError: If the one lies in the other.
    """
    if '://' in os.fspath(images):
        return
    inner, outer = (Path(os.path.realpath(path)) for path in (out, images))
    if inner.is_relative_to(outer):
        raise ValueError(
            f'--out {os.fspath(out)} lies in the folder of the pictures, '
            f'{os.fspath(images)}: the next call would take what is drawn '
            'there for pictures. Choose a folder outside of it'
        )


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Give a name to write to, and rename the file when it is complete.

    The bytes reach the disk before the name does, so that a power failure
    leaves the old file or the new one.

    Args:
        path: The final name; its folder is made.

    Yields:
        The name to write to, in the same folder.

    Raises:
        OSError: If the file could not be written. A file that was there before
            is unchanged, and nothing half-written is left.
    """
    path = Path(path)
    partial = partial_path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        _flush(partial)
        os.replace(partial, path)
    except OSError as error:
        raise _not_written(path, error) from error
    except RuntimeError as error:
        # torch's zip writer reports a full disk as a RuntimeError.
        raise _not_written(path, OSError(errno.EIO, str(error))) from error
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | os.PathLike) -> Iterator[Path]:
    """Give a folder to fill, and rename it when it is complete.

    Args:
        path: The final name, which must not exist; its parent is made.

    Yields:
        The empty folder to fill.

    Raises:
        OSError: If the folder could not be filled or renamed; nothing
            half-written is left.
    """
    path = Path(path)
    partial = partial_path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial.mkdir()
    try:
        yield partial
        os.replace(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def partial_path(path: Path) -> Path:
    """Return this process's name for a file that is being written."""
    return path.with_name(f'.{path.name}.{os.getpid()}.part')


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write a UTF-8 text file; see `atomic_path`."""
    with atomic_path(path) as partial:
        partial.write_text(text, encoding='utf-8')


def write_json(path: str | os.PathLike, content: Any, **options: Any) -> None:
    """Write a JSON file; see `atomic_path`.

    Args:
        path: The file.
        content: What `json.dumps` takes.
        options: Arguments of `json.dumps`, such as ``indent``.
    """
    write_text(path, json.dumps(content, **options) + '\n')


def decode_text(data: bytes) -> str:
    r"""Decode a text file, with a byte order mark or not.

    Args:
        data: UTF-8, or UTF-16 with its mark, as some editors of Windows
            write it.

    Returns:
        The text with ``\n`` between its lines.

    Raises:
        ValueError: If it is neither.
    """
    encoding = 'utf-8-sig'
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = 'utf-16'
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(
            f'it is not UTF-8 ({error.reason} at byte {error.start}); save '
            'it as UTF-8'
        ) from error
    return text.replace('\r\n', '\n').replace('\r', '\n')


def _flush(path: Path) -> None:
    """Wait until a file's bytes are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _not_written(path: Path, error: OSError) -> OSError:
    """Name the final file in an error that names the partial one."""
    reason = error.strerror or str(error)
    # An errno makes Python choose the subclass, such as PermissionError.
    return OSError(
        error.errno or errno.EIO, f'{path} could not be written: {reason}'
    )
