"""Read images from a plain tar file.

A million files are slow to list, to copy and to open; a tar file is one file.
Each image is one positioned read of its header and its bytes, so that images
can be read in any order at the same cost.
"""

import hashlib
import io
import os
import tarfile
from collections.abc import Iterator
from typing import Any

from mmsoco.images.errors import NOT_A_FILE
from mmsoco.images.listed_names import listed_names
from mmsoco.images.lists import (
    ImageList,
    images_by_name,
    images_of_listing,
)
from mmsoco.images.source import Extent, FetchedImages
from mmsoco.images.stamps import FileStamp
from mmsoco.images.tar_index import (
    BLOCK,
    NS,
    REMEDY,
    TarError,
    TarIndex,
    parse_header,
    read_index,
    seconds,
)
from mmsoco.utils.problems import Outcome, Problems

LOST = Outcome.LOST

# Bytes at both ends of a file that are compared to recognize it.
_END_BYTES = 2**16
_COMPRESSED = {
    b'\x1f\x8b': 'gzip',
    b'BZh': 'bzip2',
    b'\xfd7zXZ': 'xz',
    b'\x28\xb5\x2f\xfd': 'zstd',
    b'PK\x03\x04': 'zip',
}


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
                parse_header(head)
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
        return read_index(self.address, status.st_size, status.st_mtime_ns)

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
        return data[BLOCK:], seconds(header) * NS

    def stamp_of_same(
        self, stamp: FileStamp, name: str, extent: Extent | None = None
    ) -> FileStamp | None:
        """Compare size and time, and the bytes if the time differs."""
        header = self._header(name, extent)
        if header is None or header.size != stamp.size:
            return None
        if seconds(header) * NS == stamp.mtime_ns:
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
        header = parse_header(block)
        found = f'one of {header.size} bytes'
    except tarfile.TarError as e:
        header, found = None, str(e)
    if header is None or header.size != extent.size:
        raise OSError(
            f'expected the header of a file of {extent.size} bytes at byte '
            f'{extent.offset - BLOCK}, found {found}: the tar file was '
            f'damaged or replaced; {REMEDY}'
        )
    return header


def _cut_short(extent: Extent, left: int) -> OSError:
    return OSError(
        f'expected {extent.size} bytes at byte {extent.offset}, but the tar '
        f'file ends after {left} of them: it was cut short; {REMEDY}'
    )
