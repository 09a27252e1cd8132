"""Read images, for proposals and for the dataset alike."""

import contextlib
import io
import math
import os
import struct
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import cv2
import numpy as np
from PIL import Image

from mmsoco.images.completeness import refuse_cut_jpeg, refuse_cut_png
from mmsoco.images.errors import named_errors, regular_file

_START_OF_JPEG, _END_OF_JPEG = b'\xff\xd8', b'\xff\xd9'
# Second bytes of JPEG markers for sequential or progressive Huffman coding.
_START_OF_FRAME = (0xC0, 0xC1, 0xC2)
# EXIF or XMP data, either of which may hold the orientation.
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
# 12 bits in 16 leave a high byte of at most 15.
_DARK = 16
# 255 * 257 is the brightest of 16 bits.
_LEVELS_OF_16_BITS = 257
# Luma of ITU-R 601, as in Pillow's conversion.
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class PixelFormat:
    """The pixels that an image is decoded to.

    Attributes:
        channels: 3 for RGB; 1 for gray (colors are converted to luma); 4 for
            the stored samples of images that have four, such as RGB and alpha.
        depth: Bits of a sample. 8 gives uint8, with the high byte of 16-bit
            samples. 16 gives float32 on the same scale of 0 to 255, where
            16-bit samples have fractions, so that mean, deviation and
            thresholds are the same for both.

    Raises:
        ValueError: If either is another number.
    """

    channels: int = 3
    depth: int = 8

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.channels not in (1, 3, 4):
            raise ValueError(
                f'channels must be 1, 3 or 4, got {self.channels!r}'
            )
        if self.depth not in (8, 16):
            raise ValueError(f'depth must be 8 or 16, got {self.depth!r}')


_RGB = PixelFormat()


def read_rgb(path: str | os.PathLike) -> np.ndarray:
    """Read an image upright; see `decode_rgb`.

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
    with regular_file(path), open(path, 'rb') as file:
        return file.read()


def decode_rgb(data: bytes, path: str | os.PathLike) -> np.ndarray:
    """Decode an image upright, as a viewer shows it.

    The EXIF orientation is applied. Grayscale is repeated, palettes are
    looked up, CMYK is converted, 16-bit samples keep their high byte and
    alpha is dropped (as the detectors' own readers do). Of an animation the
    first frame is taken.

    Args:
        data: The image file's bytes.
        path: Its name, for messages.

    Returns:
        RGB pixels, uint8 of shape (H, W, 3), writable.

    Raises:
        UnreadableImageError: If the file is empty, cut short, not an image, or
            larger than Pillow's limit against decompression bombs.
    """
    with named_errors(path, data):
        return _decode_jpeg(data) if _is_plain_jpeg(data) else _decode(data)


def decode_pixels(
    data: bytes, path: str | os.PathLike, pixels: PixelFormat
) -> np.ndarray:
    """Decode an image to a number of channels and a depth.

    Args:
        data: The image file's bytes.
        path: Its name, for messages.
        pixels: The format to decode to.

    Returns:
        (H, W, channels) uint8 or float32 in 0 to 255, see `PixelFormat`.

    Raises:
        UnreadableImageError: See `decode_rgb`; or if four channels are wanted
            of an image without four.
    """
    if pixels == _RGB:
        return decode_rgb(data, path)
    with named_errors(path, data):
        if pixels.depth == 16:
            samples = _decode_deep(data)
            if samples is not None:
                samples = samples.astype(np.float32) / _LEVELS_OF_16_BITS
                return _to_channels(samples, pixels.channels)
        samples = _decode_channels(data, pixels.channels)
        dtype = np.uint8 if pixels.depth == 8 else np.float32
        return samples.astype(dtype, copy=False)


def read_size(path: str | os.PathLike) -> tuple[int, int]:
    """Read the (height, width) that :func:`read_rgb` would return.

    It reads only the header, so a truncated file passes.

    Raises:
        UnreadableImageError: If the file is missing or no image.
    """
    with regular_file(path), _open(path) as image:
        return _upright_size(image)


def is_turned(path: str | os.PathLike) -> bool:
    """Return whether EXIF rotates an image by 90 degrees, swapping its sides.

    Raises:
        UnreadableImageError: If the file is missing or no image.
    """
    with regular_file(path), _open(path) as image:
        return _orientation(image) in _TURNED


def decode_size(data: bytes, path: str | os.PathLike) -> tuple[int, int]:
    """Get the (height, width) of an image from its bytes; see `read_size`."""
    with named_errors(path, data), _open(io.BytesIO(data)) as image:
        return _upright_size(image)


def _upright_size(image: Image.Image) -> tuple[int, int]:
    width, height = image.size
    # For TIFF files, Pillow returns the upright size.
    turned = _orientation(image) in _TURNED and image.format != 'TIFF'
    return (width, height) if turned else (height, width)


def _is_plain_jpeg(data: bytes) -> bool:
    """Return whether OpenCV and Pillow decode a file to the same pixels.

    Both call libjpeg-turbo for a complete, upright JPEG file of three 8-bit
    components. A file without a proper end is left to Pillow, which refuses
    truncated files, while OpenCV fills in the rest. So is a file that is too
    large for Pillow, which reports that.

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
        # Do not fill the log with warnings about odd metadata.
        warnings.simplefilter('ignore')
        with Image.open(source) as image:
            if image.format == 'EPS':
                raise ValueError('PostScript is a program, and is not run')
            yield image


def _decode_jpeg(data: bytes) -> np.ndarray:
    """Decode a plain JPEG file, with less copying than Pillow."""
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if pixels is None:
        raise ValueError('damaged JPEG data')
    refuse_cut_jpeg(data, pixels[-1, -1])
    return pixels


def _decode(data: bytes) -> np.ndarray:
    """Decode any file that Pillow knows and turn it upright."""
    with _open(io.BytesIO(data)) as image:
        # First, because Pillow rotates TIFF files when it loads them.
        _load(image, data)
        turn = _UPRIGHT.get(_orientation(image))
        image = _to_rgb(image)
        return np.array(image if turn is None else image.transpose(turn))


def _load(image: Image.Image, data: bytes) -> None:
    """Load the pixels of an image; refuse data that end before them."""
    image.load()
    check = {'JPEG': refuse_cut_jpeg, 'PNG': refuse_cut_png}.get(
        image.format or ''
    )
    if check is not None:
        corner = image.getpixel((image.width - 1, image.height - 1))
        check(data, corner if isinstance(corner, tuple) else (corner,))


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 (upright) if EXIF is damaged."""
    try:
        return image.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:
        return 1


def _to_rgb(image: Image.Image) -> Image.Image:
    """Convert any mode of Pillow to 8-bit RGB."""
    if image.mode.startswith('I'):
        # Pillow clips 16-bit gray at 255 instead of scaling it.
        gray = _samples_of_16_bits(image) >> 8
        image = Image.fromarray(gray.astype(np.uint8))
    elif image.mode == 'F':
        raise ValueError('floating point samples have no defined range')
    elif image.mode in ('P', 'PA'):
        # Via RGBA, since transparent palette entries would give a warning.
        image = image.convert('RGBA')
    return image if image.mode == 'RGB' else image.convert('RGB')


def remark_on(rgb: np.ndarray) -> str:
    """Return what is odd about an image's pixels, or ''.

    Args:
        rgb: (H, W, 3) uint8, as `decode_rgb` returns it.
    """
    if rgb.max() < _DARK:
        return 'nearly black: empty, or of 12-bit samples in 16 bits?'
    return ''


def _samples_of_16_bits(image: Image.Image) -> np.ndarray:
    """Return gray samples that Pillow keeps in 16 or 32 bits: (H, W) int64."""
    samples = np.asarray(image).astype(np.int64)
    low, high = samples.min(), samples.max()
    if low < 0 or high >= 2**16:
        raise ValueError(
            f'samples from {low} to {high} have no defined range; expected 0 '
            'to 65535'
        )
    return samples


def _decode_channels(data: bytes, channels: int) -> np.ndarray:
    """Decode to (H, W, channels) uint8, upright."""
    with _open(io.BytesIO(data)) as image:
        _load(image, data)
        turn = _UPRIGHT.get(_orientation(image))
        if channels == 4:
            if image.mode == 'PA' or len(image.getbands()) != 4:
                raise ValueError(_not_four(image.mode))
        elif image.mode not in ('L', 'LA'):
            image = _to_rgb(image)
        if channels == 1:
            image = image.convert('L')
        elif channels == 3:
            image = image.convert('RGB')
        image = image if turn is None else image.transpose(turn)
        return np.array(image).reshape(image.height, image.width, channels)


def _decode_deep(data: bytes) -> np.ndarray | None:
    """Decode samples of 16 bits to (H, W, C) uint16, upright.

    Pillow keeps them only in gray images, OpenCV in all.

    Returns:
        Gray, RGB, or RGB and alpha; None if the samples do not have 16 bits.
    """
    with _open(io.BytesIO(data)) as image:
        _load(image, data)
        turn = _UPRIGHT.get(_orientation(image))
        if image.mode.startswith('I'):
            image = image if turn is None else image.transpose(turn)
            return _samples_of_16_bits(image)[..., None]
        is_tiff = image.format == 'TIFF'
    samples = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if samples is None or samples.dtype != np.uint16:
        return None
    if samples.ndim == 3:
        order = [2, 1, 0, 3][: samples.shape[2]]
        samples = samples[..., order]
    samples = samples.reshape(*samples.shape[:2], -1)
    # For TIFF files, OpenCV also returns upright pixels.
    return samples if turn is None or is_tiff else _TURNS[turn](samples)


# The same as `Image.transpose`, for arrays.
_TURNS = {
    Image.Transpose.FLIP_LEFT_RIGHT: lambda a: a[:, ::-1],
    Image.Transpose.FLIP_TOP_BOTTOM: lambda a: a[::-1],
    Image.Transpose.ROTATE_90: lambda a: np.rot90(a),
    Image.Transpose.ROTATE_180: lambda a: np.rot90(a, 2),
    Image.Transpose.ROTATE_270: lambda a: np.rot90(a, 3),
    Image.Transpose.TRANSPOSE: lambda a: a.swapaxes(0, 1),
    Image.Transpose.TRANSVERSE: lambda a: np.rot90(a, 2).swapaxes(0, 1),
}


def _to_channels(samples: np.ndarray, channels: int) -> np.ndarray:
    """Convert (H, W, C) float32 samples to another number of channels."""
    count = samples.shape[2]
    if count == channels:
        return np.ascontiguousarray(samples)
    if channels == 4:
        raise ValueError(_not_four(f'{count} channels'))
    if channels == 1:
        return (samples[..., :3] @ _LUMA)[..., None]
    if count == 1:
        return samples.repeat(3, axis=2)
    return np.ascontiguousarray(samples[..., :3])


def _not_four(found: str) -> str:
    return (
        f'expected an image of 4 channels, got {found} (the config sets '
        'channels=4)'
    )
