"""Write images into a plain tar file; an interrupted call can be continued.

The file grows under a temporary name and is renamed when it is complete. An
interrupted call leaves a part of it; the next call compares that with the
images and continues after the last one that is the same.
"""

import os
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mmsoco.images.errors import UnreadableImageError
from mmsoco.images.source import ImageSource
from mmsoco.images.tar_index import BLOCK
from mmsoco.images.tar_source import ImageTar
from mmsoco.utils.locks import FileLock
from mmsoco.utils.problems import Outcome, Problems

_NS = 10**9
# Endings of files that programs expect to be compressed.
_COMPRESSED = ('.gz', '.tgz', '.bz2', '.xz', '.zst', '.zip')


@dataclass(frozen=True)
class Packed:
    """The result of `pack`.

    Attributes:
        path: The finished file.
        images: Images in it.
        kept: Images written by an interrupted call.
        problems: What was left out.
    """

    path: Path
    images: int
    kept: int
    problems: Problems


def pack(
    source: ImageSource,
    names: Sequence[str],
    out: str | os.PathLike,
    progress: Callable[[int], None] = lambda done: None,
) -> Packed:
    """Write images into a plain tar file.

    The same images, with the same times, give the same bytes. Owners and
    permissions are left out.

    Args:
        source: The place of the images.
        names: The images, sorted.
        out: The file to make; its folder must exist. An old one is replaced
            at the end.
        progress: Called with the number of images done whenever it has grown.

    Returns:
        The result.

    Raises:
        BlockingIOError: If another process is writing the file.
        FileNotFoundError: If its folder is not there.
        ValueError: If the name is that of a compressed file, or not one image
            can be read.
        OSError: If writing fails, for instance because the disk is full; the
            next call continues.
    """
    out = Path(out)
    if not out.parent.is_dir():
        raise FileNotFoundError(
            f'folder {str(out.parent)!r} does not exist; create it first'
        )
    if out.suffix.lower() in _COMPRESSED:
        raise ValueError(
            f'--out {out}: the tar file is not compressed, since each picture '
            'is read by its position; choose a name that ends in .tar'
        )
    partial, problems = partial_tar(out), Problems()
    lock = FileLock(out.with_name(f'.{out.name}.lock'), out, 'making it')
    with _written(out), lock, open(partial, 'ab+') as file:
        file.seek(0)
        kept = images = 0
        for is_kept in _write(file, source, names, problems):
            kept, images = kept + is_kept, images + 1
            progress(images)
        if not images:
            partial.unlink()
            raise ValueError(
                f'not one of the {len(names)} images in {source.root!r} can '
                f'be read\n{problems}'
            )
        file.truncate()
        file.write(bytes(2 * BLOCK))
        file.flush()
        os.fsync(file.fileno())
        _check(partial, images)
        os.replace(partial, out)
    return Packed(out, images, kept, problems)


def partial_tar(out: Path) -> Path:
    """Name the file that an unfinished call leaves."""
    return out.with_name(f'{out.name}.partial')


@contextmanager
def _written(out: Path) -> Iterator[None]:
    """Name the file that could not be written in an error."""
    try:
        yield
    except BlockingIOError:
        raise
    except OSError as e:
        raise OSError(
            e.errno,
            f'cannot write {str(out)!r} (what is written is kept): '
            f'{e.strerror or e}',
        ) from e


def _write(
    file: BinaryIO,
    source: ImageSource,
    names: Sequence[str],
    problems: Problems,
) -> Iterator[bool]:
    """Write images; yield for each whether it was already in the file."""
    is_kept, end = True, 0
    for name in names:
        try:
            member = _member(source, name)
        except UnreadableImageError as e:
            what = f'image that cannot be read: {e.reason}'
            problems.add(Outcome.LOST, what, name)
            continue
        if is_kept and file.read(len(member)) != member:
            file.seek(end)
            file.truncate()
            is_kept = False
        if not is_kept:
            file.write(member)
        end += len(member)
        yield is_kept


def _member(source: ImageSource, name: str) -> bytes:
    """Return the header and the bytes of an image in a tar file.

    Raises:
        UnreadableImageError: If the image cannot be read.
    """
    data, stamp = source.read_stamped(name)
    info = tarfile.TarInfo(name)
    info.size = len(data)
    info.mtime = stamp.mtime_ns // _NS
    try:
        name.encode('utf-8')  # tarfile would write the bytes itself
        header = info.tobuf(tarfile.PAX_FORMAT, 'utf-8', 'strict')
    except UnicodeEncodeError:
        where, reason = source.where(name), 'its name is not UTF-8'
        raise UnreadableImageError(where, reason) from None
    return header + data + bytes(-len(data) % BLOCK)


def _check(path: Path, images: int) -> None:
    """Raise OSError unless the finished file can be read."""
    found = len(ImageTar(path).index.names)
    if found != images:
        raise OSError(f'it has {found} images, expected {images}')
