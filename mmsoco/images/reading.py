"""Read images: the one reader of proposals and of the dataset."""

import contextlib
import io
import math
import os
import stat
import struct
import warnings
from collections.abc import Iterator
from typing import BinaryIO

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

# A folder too: what can be opened and read to its end is a regular file.
NOT_A_FILE = 'not a regular file (a folder, pipe, socket or device)'
_START_OF_JPEG, _END_OF_JPEG = b'\xff\xd8', b'\xff\xd9'
# Second bytes of JPEG's markers: sequential or progressive Huffman coding.
_START_OF_FRAME = (0xC0, 0xC1, 0xC2)
# EXIF or XMP data, either of which may tell the orientation.
_APP1 = 0xE1
_EXIF_ORIENTATION = 0x0112
# How to turn the stored pixels upright, by the value of the EXIF tag.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TURNED = (5, 6, 7, 8)


class UnreadableImageError(ValueError):
    """An image file that cannot be decoded; the message names the file.

    Attributes:
        reason: Why, without the file's name.
    """

    def __init__(self, path: str | os.PathLike, reason: str) -> None:
        super().__init__(path, reason)
        self.path = str(path)
        self.reason = reason

    def __str__(self) -> str:
        return (
            f'cannot read image {self.path!r}: {self.reason}; '
            'repair or remove the file'
        )


def read_rgb(path: str | os.PathLike) -> np.ndarray:
    """Read an image as it is meant to be seen; see `decode_rgb`.

    Args:
        path: The image file.

    Returns:
        RGB pixels, uint8 of shape (H, W, 3), writable.

    Raises:
        UnreadableImageError: If the file is missing, or see `decode_rgb`.
    """
    return decode_rgb(read_data(path), path)


def read_data(path: str | os.PathLike) -> bytes:
    """Read a file's bytes.

    Raises:
        UnreadableImageError: If it is missing or cannot be read.
    """
    with _regular(path), open(path, 'rb') as file:
        return file.read()


def decode_rgb(data: bytes, path: str | os.PathLike) -> np.ndarray:
    """Decode an image as it is meant to be seen.

    The EXIF orientation is applied. Greyscale is repeated, palettes are
    looked up, CMYK is converted, 16-bit samples keep their high byte and
    alpha is dropped (as the detectors' own readers do). Of an animation the
    first frame is taken.

    Args:
        data: The image file's bytes.
        path: Its name, for messages.

    Returns:
        RGB pixels, uint8 of shape (H, W, 3), writable.

    Raises:
        UnreadableImageError: If the file is empty, cut short, no image, or
            larger than Pillow's limit against decompression bombs.
    """
    with _named(path):
        return _decode_jpeg(data) if _is_plain_jpeg(data) else _decode(data)


def read_size(path: str | os.PathLike) -> tuple[int, int]:
    """Read the (height, width) that :func:`read_rgb` would return.

    Only the header is read, so a file cut short passes.

    Raises:
        UnreadableImageError: If the file is missing or no image.
    """
    with _regular(path), _open(path) as image:
        return _upright_size(image)


def is_turned(path: str | os.PathLike) -> bool:
    """Return whether EXIF turns an image by a quarter, so that its sides swap.

    Raises:
        UnreadableImageError: If the file is missing or no image.
    """
    with _regular(path), _open(path) as image:
        return _orientation(image) in _TURNED


def decode_size(data: bytes, path: str | os.PathLike) -> tuple[int, int]:
    """Tell the (height, width) of an image from its bytes; see `read_size`."""
    with _named(path), _open(io.BytesIO(data)) as image:
        return _upright_size(image)


@contextlib.contextmanager
def _named(path: str | os.PathLike) -> Iterator[None]:
    """Turn whatever reading raises into an error that names the file."""
    try:
        yield
    except MemoryError:
        raise UnreadableImageError(path, 'not enough memory') from None
    except FileNotFoundError:
        raise UnreadableImageError(path, 'no such file') from None
    except UnidentifiedImageError:
        reason = 'empty, or not an image of a known format'
        raise UnreadableImageError(path, reason) from None
    # Pillow's decoders raise nearly anything on damaged files.
    except Exception as e:
        raise UnreadableImageError(path, f'{type(e).__name__}: {e}') from e


@contextlib.contextmanager
def _regular(path: str | os.PathLike) -> Iterator[None]:
    """Refuse what is no file before it is opened; else see `_named`."""
    with _named(path):
        is_file = stat.S_ISREG(os.stat(path).st_mode)
        if is_file:
            yield
    if not is_file:
        raise UnreadableImageError(path, NOT_A_FILE)


def _upright_size(image: Image.Image) -> tuple[int, int]:
    width, height = image.size
    # Of TIFF files Pillow gives the upright size.
    turned = _orientation(image) in _TURNED and image.format != 'TIFF'
    return (width, height) if turned else (height, width)


def _is_plain_jpeg(data: bytes) -> bool:
    """Return whether OpenCV and Pillow decode a file to the same pixels.

    Both call libjpeg-turbo for a complete, upright JPEG file of three 8-bit
    components. One that does not end as it should is left to Pillow, which
    refuses to decode a file cut short where OpenCV makes up the rest; so is
    one too large for Pillow, which says so.

    The header's segments are read here (ITU-T T.81, B.2), since that takes a
    tenth of the time of opening the file with Pillow.
    """
    if not (data.startswith(_START_OF_JPEG) and data.endswith(_END_OF_JPEG)):
        return False
    at, has_exif = len(_START_OF_JPEG), False
    while data[at : at + 1] == b'\xff':
        marker = data[at + 1]
        if marker in _START_OF_FRAME:
            bits, height, width, components = struct.unpack_from(
                '>BHHB', data, at + 4
            )
            return (
                (bits, components) == (8, 3)
                and height * width <= (Image.MAX_IMAGE_PIXELS or math.inf)
                and not (has_exif and _is_turned(data))
            )
        has_exif |= marker == _APP1
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
    return False


def _is_turned(data: bytes) -> bool:
    with _open(io.BytesIO(data)) as image:
        return _orientation(image) in _UPRIGHT


@contextlib.contextmanager
def _open(source: str | os.PathLike | BinaryIO) -> Iterator[Image.Image]:
    with warnings.catch_warnings():
        # Odd metadata is not a reason to fill a log with warnings.
        warnings.simplefilter('ignore')
        with Image.open(source) as image:
            yield image


def _decode_jpeg(data: bytes) -> np.ndarray:
    """Decode a plain JPEG file, with less copying than Pillow."""
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if pixels is None:
        raise ValueError('damaged JPEG data')
    return pixels


def _decode(data: bytes) -> np.ndarray:
    """Decode any file that Pillow knows and turn it upright."""
    with _open(io.BytesIO(data)) as image:
        # First, since Pillow turns TIFF files itself as it loads.
        image.load()
        turn = _UPRIGHT.get(_orientation(image))
        image = _to_rgb(image)
        return np.array(image if turn is None else image.transpose(turn))


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 (upright) where EXIF is damaged."""
    try:
        return image.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:
        return 1


def _to_rgb(image: Image.Image) -> Image.Image:
    """Convert any mode of Pillow to 8-bit RGB."""
    if image.mode.startswith('I'):
        # Pillow clips 16-bit grey at 255 instead of scaling it.
        grey = np.asarray(image).astype(np.int64) >> 8
        image = Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8))
    elif image.mode == 'F':
        raise ValueError('floating point samples have no defined range')
    elif image.mode in ('P', 'PA'):
        # By way of RGBA, or transparent palette entries raise a warning.
        image = image.convert('RGBA')
    return image if image.mode == 'RGB' else image.convert('RGB')
