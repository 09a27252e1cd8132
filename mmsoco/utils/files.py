"""Write files that are complete or absent, and fingerprint them."""

import errno
import functools
import glob
import hashlib
import json
import os
import re
import resource
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmsoco.utils.problems import printable
from mmsoco.utils.processes import is_same, machine_code, start_of

# With which bytes files of a kind begin.
_STARTS = {
    'proposal store': (b'ARROW1',),
    'JSON file': (b'{', b'['),
    'checkpoint': (b'PK\x03\x04', b'\x80'),
}
_MOST_READ = 64
# Who writes a partial file: machine, number and start of the process. Releases
# before this one wrote no machine, and before that no start.
_WRITER = re.compile(r'(?:([0-9a-f]{8})-)?(\d+)(?:-(\d+))?', re.ASCII)
# Bytes of a file's name in the name of its partial file: systems take 255,
# and the writer needs up to 40 of them. Digits of a hash in place of the rest.
_LONGEST_STEM, _CODE = 210, 12
_DAY = 24 * 3600
# Free bytes below which a disk is full: torch keeps some of them to itself.
_FULL = 2**20


def sha256(path: str | os.PathLike) -> str:
    """Return the SHA-256 of a file's bytes, in hex digits."""
    with open(path, 'rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


def refuse_existing(
    path: str | os.PathLike, overwrite: bool, kind: str | None = None
) -> None:
    """Refuse to lose a file without being asked, or one of another kind.

    Args:
        path: The file to write.
        overwrite: Whether an old one may be replaced.
        kind: What the file is to be, a key of `_STARTS`; a file of another
            kind is not an old one, but a slip of the finger.

    Raises:
        FileExistsError: If the file exists, and ``overwrite`` is not set; or
            it is of another kind.
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
    if kind is not None and os.path.isfile(path):
        with open(path, 'rb') as file:
            start = file.read(_MOST_READ).lstrip()
        if start and not start.startswith(_STARTS[kind]):
            raise FileExistsError(
                f'{os.fspath(path)!r} exists and is not a {kind}, which '
                '--overwrite replaces; choose another name'
            )


def link_note(path: str | os.PathLike[str]) -> str:
    """Say where a broken link leads; nothing for a path of another kind."""
    path = os.fspath(path)
    if os.path.islink(path) and not os.path.exists(path):
        return (
            f': it is a link to {printable(os.readlink(path))}, which is not '
            'there'
        )
    return ''


def refuse_unwritable(path: str | os.PathLike) -> None:
    """Refuse a file or folder that cannot be written, before the work.

    Args:
        path: The output; neither it nor its folder need exist.

    Raises:
        ValueError: If the name is not UTF-8.
        FileNotFoundError: If it is a broken link.
        NotADirectoryError: If it lies below a file.
        PermissionError: If its folder takes no new files.
        OSError: If the system takes no such name.
    """
    path = Path(path)
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise ValueError(
            f'the name {printable(str(path))} is not UTF-8; choose another'
        ) from None
    if path.is_symlink() and not path.exists():
        raise FileNotFoundError(
            f'{path} is a link to {os.readlink(path)}, which is not there; '
            'remove the link, or name the place itself'
        )
    there = next(p for p in (path, *path.parents) if p.exists())
    if there != path and not there.is_dir():
        raise NotADirectoryError(
            f'{path} cannot be written: {there} is a file, not a folder'
        )
    folder = there if there.is_dir() else there.parent
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(
            f'{path} cannot be written: the folder {folder} takes no new '
            'files (permissions, or a read-only disk); choose another'
        )


def refuse_file(out: str | os.PathLike, content: str) -> None:
    """Refuse a file where a folder is to be written.

    Args:
        out: The folder; it need not exist.
        content: What it is for, for the message.

    Raises:
        NotADirectoryError: If it is a file.
    """
    if os.path.exists(out) and not os.path.isdir(out):
        raise NotADirectoryError(
            f'expected a folder for the {content}, but {os.fspath(out)} is a '
            'file'
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
    with unnamed_path(path) as partial:
        yield partial
        name_complete(partial, path)


@contextmanager
def unnamed_path(path: str | os.PathLike) -> Iterator[Path]:
    """Give a name to write to, for a file whose final name is not known yet.

    Args:
        path: A name of the same kind of file in its folder, which is made. The
            next call with this name removes what a killed one has left.

    Yields:
        The name to write to; give the final one with `name_complete`.

    Raises:
        OSError: See `atomic_path`.
    """
    path = Path(path)
    partial = partial_path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_partials(path)
        yield partial
    except OSError as error:
        raise _not_written(path, error) from error
    except RuntimeError as error:
        raise _not_written(path, _reason_of_torch(path, error)) from error
    finally:
        partial.unlink(missing_ok=True)


def _reason_of_torch(path: Path, error: RuntimeError) -> OSError:
    """Return why torch's zip writer failed; it says "unexpected pos"."""
    if shutil.disk_usage(path.parent).free < _FULL:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    if limit != resource.RLIM_INFINITY:
        return OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    return OSError(errno.EIO, str(error))


def name_complete(partial: Path, path: str | os.PathLike) -> None:
    """Give a complete file its final name, once its bytes are on the disk.

    Args:
        partial: See `unnamed_path`.
        path: The final name, in the same folder.

    Raises:
        OSError: If that fails.
    """
    _flush(partial)
    os.replace(partial, path)


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
    remove_partials(path)
    partial.mkdir()
    try:
        yield partial
        os.replace(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def partial_path(path: Path) -> Path:
    """Return this process's name for a file that is being written.

    It tells the machine, since others may share the folder, and when the
    process began, since its number will be that of another one some day.
    """
    pid = os.getpid()
    writer = f'{machine_code()}-{pid}-{start_of(pid)}'
    return path.with_name(f'.{_stem_of(path)}.{writer}.part')


def _stem_of(path: Path) -> str:
    """Return how the partial names of a file begin.

    That is its name. Of a name to which the system would not let anything be
    added, it is the start, and a hash that tells it from others.
    """
    name = os.fsencode(path.name)
    if len(name) <= _LONGEST_STEM:
        return path.name
    code = hashlib.sha256(name).hexdigest()[:_CODE]
    start = name[: _LONGEST_STEM - _CODE - 1].decode('utf-8', 'ignore')
    return f'{start}-{code}'


def remove_partials(path: Path) -> None:
    """Remove the leftovers of killed writers of a file or folder.

    Whether a process of another machine lives is not known here: what it
    writes stays until it has not changed for a day, and both are said.

    Args:
        path: The final name.
    """
    stem = _stem_of(path)
    for partial in path.parent.glob(f'.{glob.escape(stem)}.*.part'):
        writer = partial.name[len(stem) + 2 : -len('.part')]
        # Other names are of other files, such as A.B of A.
        found = _WRITER.fullmatch(writer)
        if found is None or _is_written(partial, *found.groups()):
            continue
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)


def _is_written(
    partial: Path, machine: str | None, pid: str, start: str | None
) -> bool:
    """Return whether a process may still be writing a file or folder."""
    if machine in (None, machine_code()):
        return is_same(int(pid), None if start is None else int(start))
    by_whom = 'by a process of another machine or container'
    if _is_abandoned(partial):
        _say_once(f'removed {partial}, left {by_whom}: unchanged for a day')
        return False
    _say_once(
        f'{partial} is being written {by_whom}, or was left when that was '
        'ended: it stays until a day after its last change'
    )
    return True


def _is_abandoned(partial: Path) -> bool:
    """Return whether a file, or all in a folder, has not changed for long."""
    try:
        changed = max(
            path.lstat().st_mtime for path in (partial, *partial.rglob('*'))
        )
    except OSError:  # it is being renamed, or emptied
        return False
    return time.time() - changed > _DAY


@functools.cache
def _say_once(text: str) -> None:
    """Print a line to standard error, the same one only once."""
    print(text, file=sys.stderr)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write a UTF-8 text file; see `atomic_path`."""
    with atomic_path(path) as partial:
        partial.write_text(text, encoding='utf-8')


def read_json(path: str | os.PathLike) -> Any:
    """Read a JSON file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding='utf-8'))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f'{path} cannot be read as JSON: {error}') from error


def write_json(path: str | os.PathLike, content: Any, **options: Any) -> None:
    """Write a JSON file; see `atomic_path`.

    Args:
        path: The file.
        content: What `json.dumps` takes.
        options: Arguments of `json.dumps`, such as ``indent``.
    """
    write_text(path, json.dumps(content, **options) + '\n')


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
