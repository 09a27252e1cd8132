"""Find the files in a plain tar file by its headers alone."""

import os
import tarfile
from bisect import bisect_left
from collections.abc import Generator, Iterator, Sequence
from functools import lru_cache
from typing import BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa

from mmsoco.images.listed_names import clean_name
from mmsoco.utils.problems import Outcome, Problems

LOST, NOTE = Outcome.LOST, Outcome.NOTE

BLOCK = tarfile.BLOCKSIZE
NS = 10**9
# A time beyond this number of seconds (the year 2262) is not one.
_LATEST = 2**63 / NS
# tar fills its last record with zeros, which is 1 MiB for fast tape drives.
_LONGEST_RECORD = 2**20
REMEDY = 'copy it again, or write it again from the images with `mmsoco pack`'


class TarError(ValueError):
    """A file that is not a usable tar file; the message says what to do."""


class TarIndex(NamedTuple):
    """The positions of the files in a tar file.

    Arrays rather than lists, because forked workers share their pages.

    Attributes:
        names: Sorted by code point, each once.
        offsets: (N,) int64, of the first byte.
        sizes: (N,) int64, bytes.
        mtimes: (N,) int64, seconds since 1970.
        remarks: What was left out or is remarkable: outcome, what, where.
    """

    names: pa.StringArray
    offsets: np.ndarray
    sizes: np.ndarray
    mtimes: np.ndarray
    remarks: tuple[tuple[Outcome, str, str], ...]

    @classmethod
    def of(
        cls,
        files: dict[str, tuple[int, int, int]],
        remarks: Sequence[tuple[Outcome, str, str]] = (),
    ) -> 'TarIndex':
        """Make an index from offset, size and time by name."""
        names = sorted(files)
        rows = np.array([files[n] for n in names], np.int64).reshape(-1, 3)
        offsets, sizes, mtimes = rows.T.copy()
        return cls(
            names=pa.array(names, pa.string()),
            offsets=offsets,
            sizes=sizes,
            mtimes=mtimes,
            remarks=tuple(remarks),
        )

    def row(self, name: str) -> int | None:
        """Find a file by bisection, None if it is not there."""
        row = bisect_left(
            range(len(self.names)), name, key=lambda i: self.names[i].as_py()
        )
        there = row < len(self.names) and self.names[row].as_py() == name
        return row if there else None


# A process and its forks read the headers once; a rewritten file has another
# time.
@lru_cache(maxsize=8)
def read_index(path: str, size: int, mtime_ns: int) -> TarIndex:
    """Walk through the headers of a tar file; see `ImageTar.index`."""
    found: dict[str, tuple[int, int, int]] = {}
    problems: list[tuple[Outcome, str, str]] = []
    with open(path, 'rb') as file:
        for info in _members(file, path):
            name = _member_name(info, problems)
            if name is None:
                continue
            if name in found:
                problems.append((NOTE, 'twice: the later one counts', name))
            found[name] = (info.offset_data, info.size, seconds(info))
        _note_rest(file, problems)
    return TarIndex.of(found, problems)


def seconds(info: tarfile.TarInfo) -> int:
    """Return the time of a file, or 0 if no clock shows it (NaN, 1e30)."""
    return int(info.mtime) if abs(info.mtime) < _LATEST else 0


def _note_rest(
    file: BinaryIO, problems: list[tuple[Outcome, str, str]]
) -> None:
    """Say that something follows the end, after which tar reads nothing.

    Args:
        file: Just after the block of zeros that marks the end.
        problems: Gets an entry.
    """
    start = file.tell()
    rest = file.read(_LONGEST_RECORD)
    padding = len(rest) - len(rest.lstrip(b'\0'))
    if padding < len(rest):
        what = 'data after the end of the tar file, such as a second tar file'
        problems.append((LOST, what, f'from byte {start + padding}'))


class _Tar(tarfile.TarFile):
    # The members read so far, which typeshed lacks.
    members: list[tarfile.TarInfo]


def _members(file: BinaryIO, path: str) -> Iterator[tarfile.TarInfo]:
    """Yield the members of a tar file, which must be complete.

    Raises:
        TarError: If it is damaged or cut short.
    """
    try:
        end = yield from walk(file)
    # tarfile takes the numbers of extended headers as they are.
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as e:
        raise _damaged(path, file, e) from e
    # tarfile silently ends at a header that it cannot read.
    file.seek(end)
    block = file.read(BLOCK)
    if len(block) < BLOCK:
        raise _damaged(path, file, f'its end is missing at byte {end}')
    if block != bytes(BLOCK):
        raise _damaged(path, file, f'no header at byte {end}')


def walk(file: BinaryIO) -> Generator[tarfile.TarInfo, None, int]:
    """Yield the members of a tar file in constant memory.

    Returns:
        The position after the last of them.

    Raises:
        tarfile.TarError: At an incomplete header.
    """
    with _Tar.open(fileobj=file, mode='r:') as tar:
        while (info := tar.next()) is not None:
            yield info
            tar.members.clear()  # tarfile would keep all of them in memory
        return tar.offset


def _damaged(path: str, file: BinaryIO, reason: object) -> TarError:
    size = os.fstat(file.fileno()).st_size
    return TarError(
        f'tar file {path!r} of {size} bytes is damaged or was cut short '
        f'({reason}); {REMEDY}'
    )


def _member_name(
    info: tarfile.TarInfo, problems: list[tuple[Outcome, str, str]]
) -> str | None:
    """Return the name of a member that is a file, None for others."""
    if info.isdir():
        return None
    if not info.isreg() or info.issparse():
        problems.append(
            (LOST, 'link, device or sparse file in the tar file', info.name)
        )
        return None
    try:
        info.name.encode('utf-8')
    except UnicodeEncodeError:
        problems.append((LOST, 'name that is not UTF-8', info.name))
        return None
    collected = Problems()
    name = clean_name(info.name, '/nowhere', collected)
    if name is None:
        problems.append((LOST, 'name that leaves the tar file', info.name))
    return name


def parse_header(block: bytes) -> tarfile.TarInfo:
    """Parse the block before a member.

    Raises:
        tarfile.TarError: If it is not a header.
    """
    return tarfile.TarInfo.frombuf(block, 'utf-8', 'surrogateescape')
