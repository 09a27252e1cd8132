"""Recognize whether a picture has changed since it was processed."""

import hashlib
import os
import stat
from typing import NamedTuple

from mmsoco.images.errors import NOT_A_FILE

_DIGEST_BYTES = 8


class FileStamp(NamedTuple):
    """Size, time and digest of a file when it was read.

    Attributes:
        size: Bytes.
        mtime_ns: Time of its last change, nanoseconds since 1970.
        digest: BLAKE2b of its bytes, 64 bits as an integer.
    """

    size: int
    mtime_ns: int
    digest: int

    def of_same(self, path: str | os.PathLike) -> 'FileStamp | None':
        """Return the current stamp of a file if it still has these bytes.

        Size and time are compared first. The bytes are read only if the time
        differs, as after a copy.

        Returns:
            This stamp, one with another time, or None if the file has other
            bytes or is gone.
        """
        try:
            status = os.stat(path)
            if status.st_size != self.size:
                return None
            if status.st_mtime_ns == self.mtime_ns:
                return self
            _, now = read_stamped(path)
        except OSError:
            return None
        return now if now.digest == self.digest else None


def stamp_of(data: bytes, mtime_ns: int) -> FileStamp:
    """Stamp the bytes of a file."""
    digest = hashlib.blake2b(data, digest_size=_DIGEST_BYTES).digest()
    return FileStamp(len(data), mtime_ns, int.from_bytes(digest, 'big'))


def read_stamped(path: str | os.PathLike) -> tuple[bytes, FileStamp]:
    """Read a file and return its bytes with a stamp.

    Raises:
        OSError: If it cannot be read, or is a pipe, socket or device.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(NOT_A_FILE)
    with open(path, 'rb') as file:
        data = file.read()
        mtime_ns = os.fstat(file.fileno()).st_mtime_ns
    return data, stamp_of(data, mtime_ns)
