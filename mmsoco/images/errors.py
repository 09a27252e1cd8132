"""Errors of image files, which name the file and what is wrong with it."""

import contextlib
import os
import stat
from collections.abc import Iterator

from PIL import UnidentifiedImageError

# Only a regular file can be opened and read to its end; folders are not.
NOT_A_FILE = 'not a regular file (a folder, pipe, socket or device)'
# Bytes that tell what a file is that Pillow does not know.
_LONGEST_SIGN = 64
# The brands of ISO base media files (bytes 8 to 11) that are HEIC pictures.
_HEIC = (b'heic', b'heix', b'hevc', b'heim', b'heis', b'mif1', b'msf1')


class UnreadableImageError(ValueError):
    """An image file that cannot be decoded; the message names the file.

    Attributes:
        reason: Why, without the file's name.
    """

    def __init__(self, path: str | os.PathLike, reason: str) -> None:
        super().__init__(
            f'cannot read image {str(path)!r}: {reason}; repair or remove '
            'the file'
        )
        self.path = str(path)
        self.reason = reason

    def __reduce__(self) -> tuple:
        # Workers pass it on; by default, pickle would call it with the
        # message.
        return UnreadableImageError, (self.path, self.reason)


@contextlib.contextmanager
def named_errors(
    path: str | os.PathLike, data: bytes | None = None
) -> Iterator[None]:
    """Turn any error of reading into one that names the file.

    Args:
        path: The file, or a name of the data.
        data: The file's bytes, if they have been read.
    """
    try:
        yield
    except MemoryError:
        raise UnreadableImageError(path, 'not enough memory') from None
    except FileNotFoundError:
        raise UnreadableImageError(path, 'no such file') from None
    except UnidentifiedImageError:
        if data is None:
            with open(path, 'rb') as file:
                data = file.read(_LONGEST_SIGN)
        raise UnreadableImageError(path, _why_unknown(data)) from None
    # Pillow's decoders raise nearly anything on damaged files.
    except Exception as e:
        raise UnreadableImageError(path, f'{type(e).__name__}: {e}') from e


def _why_unknown(data: bytes) -> str:
    """Say why Pillow does not know the format of a file."""
    if not data:
        return 'the file is empty'
    if data[4:8] == b'ftyp' and data[8:12] in _HEIC:
        return 'a HEIC picture under another name: convert it to .jpg'
    if data.lstrip()[:1] == b'<':
        return 'a web page or another text, not an image'
    return 'not an image of a known format'


@contextlib.contextmanager
def regular_file(path: str | os.PathLike) -> Iterator[None]:
    """Refuse a path that is no file, unopened; see `named_errors`."""
    with named_errors(path):
        is_file = stat.S_ISREG(os.stat(path).st_mode)
        if is_file:
            yield
    if not is_file:
        raise UnreadableImageError(path, NOT_A_FILE)
