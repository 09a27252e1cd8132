"""Read images from a plain tar file.

A million files are slow to list, to copy and to open; a tar file is one file.
Each image is one positioned read of its header and its bytes, so that images
can be read in any order at the same cost.
"""

import hashlib
import io
import os
import tarfile
from bisect import bisect_left
from collections.abc import Generator, Iterator, Sequence
from functools import lru_cache
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa

from mmsoco.images.errors import NOT_A_FILE
from mmsoco.images.listed_names import clean_name, listed_names
from mmsoco.images.lists import (
    ImageList,
    images_by_name,
    images_of_listing,
)
from mmsoco.images.source import Extent, FetchedImages
from mmsoco.images.stamps import FileStamp
from mmsoco.utils.problems import Outcome, Problems

LOST, NOTE = Outcome.LOST, Outcome.NOTE

BLOCK = tarfile.BLOCKSIZE
_NS = 10**9
# A time beyond this number of seconds (the year 2262) is not one.
_LATEST = 2**63 / _NS
# Bytes at both ends of a file that are compared to recognize it.
_END_BYTES = 2**16
# tar fills its last record with zeros, which is 1 MiB for fast tape drives.
_LONGEST_RECORD = 2**20
_COMPRESSED = {
    b'\x1f\x8b': 'gzip',
    b'BZh': 'bzip2',
    b'\xfd7zXZ': 'xz',
    b'\x28\xb5\x2f\xfd': 'zstd',
    b'PK\x03\x04': 'zip',
}
_REMEDY = 'copy it again, or write it again from the images with `mmsoco pack`'


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


class ImageTar(FetchedImages):
    """The images of a plain tar file; see `ImageSource`.

    The file is opened once per process and read at given positions, without a
    file position that processes or threads would share.

    Args:
        root: The file. Any program may have written it.

    Raises:
        FileNotFoundError: If it is not there.
        TarError: If it is not a plain tar file.
    """

    def __init__(self, root: str | os.PathLike) -> None:
        super().__init__(root)
        if not os.path.exists(root):
            raise FileNotFoundError(
                f'tar file {self.root!r} does not exist; if it was moved, '
                'give its new path'
            )
        if not os.path.isfile(root):
            raise TarError(f'{self.root!r} is {NOT_A_FILE}')
        self._file: io.FileIO | None = None
        self._check_beginning()

    def _check_beginning(self) -> None:
        """Raise TarError unless the first block is that of a tar file."""
        head = self._read_at(0, BLOCK)
        for magic, kind in _COMPRESSED.items():
            if head.startswith(magic):
                raise TarError(
                    f'{self.root!r} is compressed ({kind}), so that no image '
                    'can be read without all before it; unpack it, and write '
                    'a plain tar file of the folder with `mmsoco pack`'
                )
        try:
            if len(head) < BLOCK:
                raise ValueError(f'{len(head)} bytes')
            if head != bytes(BLOCK):
                _parse_header(head)
        except (tarfile.TarError, ValueError) as e:
            raise TarError(
                f'expected a folder of images or a plain tar file, but '
                f'{self.root!r} is a file of another kind ({e})'
            ) from e

    def where(self, name: str) -> str:
        """Return the file and the name within it."""
        return f'{self.root}:{name}'

    @property
    def index(self) -> TarIndex:
        """The positions of all files, from one pass over the headers.

        Raises:
            TarError: If the file is damaged or cut short.
        """
        status = os.stat(self.root)
        return _read_index(self.address, status.st_size, status.st_mtime_ns)

    def find(self, ann_file: str | os.PathLike | None = None) -> ImageList:
        """See `ImageSource.find`."""
        problems = Problems()
        index = self.index
        for remark in index.remarks:
            problems.add(*remark)
        if ann_file is None:
            names = images_of_listing(index.names.to_pylist(), problems)
        else:
            listed = listed_names(ann_file, self.root, problems)
            names = self._there(images_by_name(listed, problems), problems)
        return ImageList(self.root, sorted(names), problems)

    def _there(
        self, names: Iterator[str], problems: Problems
    ) -> Iterator[str]:
        for name in names:
            if self.index.row(name) is None:
                problems.add(LOST, 'listed, but not in the tar file', name)
            else:
                yield name

    def holds(self, name: str, extent: Extent | None = None) -> bool:
        """See `ImageSource.holds`."""
        return self._header(name, extent) is not None

    def extent(self, name: str) -> Extent | None:
        """See `ImageSource.extent`."""
        index = self.index
        row = index.row(name)
        if row is None:
            return None
        return Extent(int(index.offsets[row]), int(index.sizes[row]))

    def identity(self) -> dict[str, Any]:
        """Return the file's size, and a digest of its ends."""
        size = os.stat(self.root).st_size
        digest = hashlib.blake2b(digest_size=16)
        for start in (0, max(size - _END_BYTES, 0)):
            digest.update(self._read_at(start, _END_BYTES))
        return {'bytes': size, 'digest': digest.hexdigest()}

    def refuse_other(self, expected: dict[str, Any]) -> None:
        """Refuse a file that is not the one that a store was made from.

        Args:
            expected: The `identity` that the store holds.

        Raises:
            TarError: If it is another one.
        """
        found = self.identity()
        if found == expected:
            return
        what = 'has other contents'
        if found['bytes'] != expected['bytes']:
            what = f'has {found["bytes"]} bytes, expected {expected["bytes"]}'
            if found['bytes'] < expected['bytes']:
                what += ' (was it cut short?)'
        raise TarError(
            f'the tar file {self.root!r} is not the one that the proposals '
            f'were made of: it {what}. Copy the right one again, or call '
            '`mmsoco propose` again, which works on changed images alone'
        )

    def fetch(
        self, name: str, extent: Extent | None = None
    ) -> tuple[bytes, int]:
        """See `FetchedImages.fetch`."""
        extent = extent or self.extent(name)
        if extent is None:
            raise FileNotFoundError(None, 'not in the tar file')
        # The header is in the block before and needs no further read.
        data = self._read_at(extent.offset - BLOCK, BLOCK + extent.size)
        header = _header_of(data[:BLOCK], extent)
        if len(data) < BLOCK + extent.size:
            raise _cut_short(extent, len(data) - BLOCK)
        return data[BLOCK:], _seconds(header) * _NS

    def stamp_of_same(
        self, stamp: FileStamp, name: str, extent: Extent | None = None
    ) -> FileStamp | None:
        """Compare size and time, and the bytes if the time differs."""
        header = self._header(name, extent)
        if header is None or header.size != stamp.size:
            return None
        if _seconds(header) * _NS == stamp.mtime_ns:
            return stamp
        return super().stamp_of_same(stamp, name, extent)

    def _header(
        self, name: str, extent: Extent | None
    ) -> tarfile.TarInfo | None:
        """Read only the header of an image, None if it is missing."""
        extent = extent or self.extent(name)
        if extent is None:
            return None
        try:
            block = self._read_at(extent.offset - BLOCK, BLOCK)
            return _header_of(block, extent)
        except OSError:
            return None

    def _read_at(self, offset: int, size: int) -> bytes:
        if self._file is None:
            self._file = open(self.root, 'rb', buffering=0)  # noqa: SIM115
        return os.pread(self._file.fileno(), size, offset)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, '_file': None}


def _header_of(block: bytes, extent: Extent) -> tarfile.TarInfo:
    """Parse the block before a file, and compare it with the extent.

    Raises:
        OSError: If it is not that of a file of this size.
    """
    if len(block) < BLOCK:
        raise _cut_short(extent, 0)
    try:
        header = _parse_header(block)
        found = f'one of {header.size} bytes'
    except tarfile.TarError as e:
        header, found = None, str(e)
    if header is None or header.size != extent.size:
        raise OSError(
            f'expected the header of a file of {extent.size} bytes at byte '
            f'{extent.offset - BLOCK}, found {found}: the tar file was '
            f'damaged or replaced; {_REMEDY}'
        )
    return header


def _cut_short(extent: Extent, left: int) -> OSError:
    return OSError(
        f'expected {extent.size} bytes at byte {extent.offset}, but the tar '
        f'file ends after {left} of them: it was cut short; {_REMEDY}'
    )


def _parse_header(block: bytes) -> tarfile.TarInfo:
    return tarfile.TarInfo.frombuf(block, 'utf-8', 'surrogateescape')


# A process and its forks read the headers once; a rewritten file has another
# time.
@lru_cache(maxsize=8)
def _read_index(path: str, size: int, mtime_ns: int) -> TarIndex:
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
            found[name] = (info.offset_data, info.size, _seconds(info))
        _note_rest(file, problems)
    return TarIndex.of(found, problems)


def _seconds(info: tarfile.TarInfo) -> int:
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
        f'({reason}); {_REMEDY}'
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
