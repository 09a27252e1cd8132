"""Store checksums of all bytes of an Arrow file inside the file.

An Arrow file ends with a footer that gives the positions of its parts, and
readers ignore what the footer does not name. So there is room for a seal
between the last part and the footer::

    head, batch | batch | ... | batch | seal | footer, its length, magic

The seal holds the start of each part (the first one includes the file's head),
a CRC-32 of each, one of the footer and what follows, and one of itself, so
that every byte is covered. Seal, footer, first and last part are checked when
a file is opened, and every other part when it is first read.
"""

import os
import struct
import zlib
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

_MAGIC = b'mmsocoCK'
# The number of parts, the seal's own checksum, the magic.
_END = struct.Struct('<II8s')
# Arrow's own end: the footer's length and a magic of 6 bytes.
_ARROW_END = struct.Struct('<I6s')
_ARROW_MAGIC = b'ARROW1'
# Flatbuffers, such as the footer, need aligned addresses.
_ALIGNMENT = 64
_CHUNK = 1 << 20


@dataclass(frozen=True, eq=False)
class Seal:
    """The checksums of a file.

    Attributes:
        starts: (P + 1,) int64: the start of each of the P parts, and the end
            of the last one.
        checksums: (P + 1,) uint32: of the parts, and of what follows the
            seal.
    """

    starts: np.ndarray
    checksums: np.ndarray

    @property
    def num_parts(self) -> int:
        """The number of parts."""
        return len(self.starts) - 1

    def part_is_good(self, raw: np.ndarray, number: int) -> bool:
        """Compare a part with its checksum.

        Args:
            raw: The file's bytes, (B,) uint8.
            number: The part.
        """
        start, stop = self.starts[number : number + 2]
        return zlib.crc32(raw[start:stop].data) == self.checksums[number]

    def to_bytes(self) -> bytes:
        """Return the seal as it is written to a file."""
        content = self.starts.astype('<i8').tobytes()
        content += self.checksums.astype('<u4').tobytes()
        content += bytes(-(len(content) + _END.size) % _ALIGNMENT)
        return content + _END.pack(self.num_parts, zlib.crc32(content), _MAGIC)


def find_seal(raw: np.ndarray) -> tuple[Seal | None, bool]:
    """Find the seal of a file, and check the file's end against it.

    Args:
        raw: The file's bytes, (B,) uint8.

    Returns:
        The seal, None if there is none; and whether it and the bytes after it
        are undamaged.
    """
    tail = _tail_start(raw)
    if tail is None or tail < _END.size:
        return None, False
    count, checksum, magic = _END.unpack(
        raw[tail - _END.size : tail].tobytes()
    )
    if magic != _MAGIC:
        return None, False
    size = (count + 1) * 12 + _END.size
    size += -size % _ALIGNMENT
    content = raw[max(tail - size, 0) : tail - _END.size].tobytes()
    if size > tail or zlib.crc32(content) != checksum:
        return None, False
    starts = np.frombuffer(content, '<i8', count + 1)
    checksums = np.frombuffer(content, '<u4', count + 1, starts.nbytes)
    seal = Seal(starts, checksums)
    return seal, zlib.crc32(raw[tail:].data) == checksums[-1]


def _tail_start(raw: np.ndarray) -> int | None:
    """Return the start of an Arrow file's footer."""
    end = len(raw) - _ARROW_END.size
    if end < 0:
        return None
    length, magic = _ARROW_END.unpack(raw[end:].tobytes())
    if magic != _ARROW_MAGIC or length > end:
        return None
    return end - length


def add_seal(path: str | os.PathLike, starts: list[int]) -> None:
    """Add a seal to a finished Arrow file.

    Args:
        path: The file.
        starts: The start of each part; the first is 0.

    Raises:
        OSError: If it cannot be written.
    """
    with open(path, 'r+b') as file:
        raw = np.memmap(file, np.uint8, 'r')
        begin = _tail_start(raw)
        assert begin is not None  # a finished file has a footer
        tail = raw[begin:].tobytes()
        # The seal ends where the footer begins, so that both are aligned.
        padding = bytes(-begin % _ALIGNMENT)
        del raw
        file.seek(begin)
        file.write(padding)
        file.flush()
        bounds = [*starts, begin + len(padding)]
        checksums = [
            _checksum(file, *pair)
            for pair in zip(bounds[:-1], bounds[1:], strict=True)
        ]
        seal = Seal(
            np.array(bounds, np.int64),
            np.array([*checksums, zlib.crc32(tail)], np.uint32),
        )
        file.seek(bounds[-1])
        file.write(seal.to_bytes() + tail)
        file.truncate()


def _checksum(file: BinaryIO, start: int, stop: int) -> int:
    """Return the CRC-32 of some bytes of an open file."""
    file.seek(start)
    checksum = 0
    while start < stop:
        data = file.read(min(_CHUNK, stop - start))
        checksum = zlib.crc32(data, checksum)
        start += len(data)
    return checksum
