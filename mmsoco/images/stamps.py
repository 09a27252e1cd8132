"""Tell whether a picture is still the one that was worked on."""

import hashlib
import os
from typing import NamedTuple

_DIGEST_BYTES = 8


class FileStamp(NamedTuple):
    """What a file was like when it was read.

    Attributes:
        size: Bytes.
        mtime_ns: Time of its last change, nanoseconds since 1970.
        digest: BLAKE2b of its bytes, 64 bits as an integer.
    """

    size: int
    mtime_ns: int
    digest: int

    def is_of(self, path: str | os.PathLike) -> bool:
        """Tell whether a file still has these bytes.

        Size and time of change are compared first. A file that was copied
        has another time, so its bytes are read then.
        """
        try:
            status = os.stat(path)
            if status.st_size != self.size:
                return False
            if status.st_mtime_ns == self.mtime_ns:
                return True
            with open(path, 'rb') as file:
                return digest_of(file.read()) == self.digest
        except OSError:
            return False


def digest_of(data: bytes) -> int:
    """Return the 64-bit BLAKE2b of some bytes."""
    digest = hashlib.blake2b(data, digest_size=_DIGEST_BYTES).digest()
    return int.from_bytes(digest, 'big')


def read_stamped(path: str | os.PathLike) -> tuple[bytes, FileStamp]:
    """Read a file, and stamp what was read.

    Raises:
        OSError: If it cannot be read.
    """
    with open(path, 'rb') as file:
        data = file.read()
        status = os.fstat(file.fileno())
    return data, FileStamp(len(data), status.st_mtime_ns, digest_of(data))
