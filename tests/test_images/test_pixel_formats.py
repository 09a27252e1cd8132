"""Channels and depth: samples that a test wrote, read back."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from mmsoco.images.errors import UnreadableImageError
from mmsoco.images.reading import PixelFormat, decode_pixels, decode_rgb

RNG = np.random.default_rng(0)
DEEP = RNG.integers(0, 2**16, (5, 7, 4)).astype(np.uint16)
SHALLOW = (DEEP >> 8).astype(np.uint8)
LUMA = np.array([0.299, 0.587, 0.114])


def png(samples):
    """A PNG file of (H, W, C) samples, red first, of their own depth."""
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[samples.shape[2]]
    return cv2.imencode('.png', samples[..., order])[1].tobytes()


def decode(data, channels, depth=8):
    return decode_pixels(data, 'a.png', PixelFormat(channels, depth))


def test_default_is_what_everything_was_decoded_to():
    for count in (1, 3, 4):
        data = png(SHALLOW[..., :count])
        pixels = decode(data, 3)
        assert (pixels == decode_rgb(data, 'a.png')).all()


@pytest.mark.parametrize('count', [1, 3, 4])
def test_samples_come_back_as_they_were(count):
    for samples, depth, scale in ((SHALLOW, 8, 1), (DEEP, 16, 257)):
        stored = samples[..., :count]
        pixels = decode(png(stored), count, depth)
        assert pixels.shape == stored.shape
        assert pixels.dtype == (np.uint8 if depth == 8 else np.float32)
        # All 16 bits come back from the fractions.
        assert (np.rint(pixels.astype(np.float64) * scale) == stored).all()
        assert pixels.max() <= 255


def test_16_bits_without_the_wish_keep_their_high_byte():
    data = png(DEEP[..., :1])
    assert (decode(data, 1) == SHALLOW[..., :1]).all()
    assert (decode(data, 3) == SHALLOW[..., :1].repeat(3, 2)).all()


def test_8_bits_where_16_are_wanted_have_the_same_brightness():
    pixels = decode(png(SHALLOW[..., :3]), 3, 16)
    assert pixels.dtype == np.float32
    assert (pixels == SHALLOW[..., :3]).all()
    buffer = io.BytesIO()
    Image.fromarray(SHALLOW[..., 0]).save(buffer, 'GIF')
    assert (decode(buffer.getvalue(), 1, 16)[..., 0] == SHALLOW[..., 0]).all()


def test_gray_of_colors_is_their_luma():
    expected = SHALLOW[..., :3] @ LUMA
    gray = decode(png(SHALLOW[..., :3]), 1)
    assert np.abs(gray[..., 0] - expected).max() < 1
    deep = decode(png(DEEP[..., :3]), 1, 16)
    np.testing.assert_allclose(
        deep[..., 0], DEEP[..., :3] @ LUMA / 257, rtol=1e-5
    )


def test_gray_of_deep_pictures_is_repeated_and_alpha_dropped():
    gray = decode(png(DEEP[..., :1]), 3, 16)
    assert (gray == decode(png(DEEP[..., :1]), 1, 16)).all()
    assert gray.shape[2] == 3
    four = decode(png(DEEP), 3, 16)
    assert (four == decode(png(DEEP[..., :3]), 3, 16)).all()


def test_four_channels_are_not_made_up():
    for data in (png(SHALLOW[..., :3]), png(SHALLOW[..., :1])):
        for depth in (8, 16):
            with pytest.raises(UnreadableImageError, match='4 channels, got'):
                decode(data, 4, depth)
    with pytest.raises(UnreadableImageError, match='got 3 channels'):
        decode(png(DEEP[..., :3]), 4, 16)


def test_four_channels_of_cmyk_are_as_stored():
    buffer = io.BytesIO()
    Image.fromarray(SHALLOW, 'CMYK').save(buffer, 'TIFF')
    assert (decode(buffer.getvalue(), 4) == SHALLOW).all()


@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('kind', ['PNG', 'TIFF'])
@pytest.mark.parametrize('count, depth', [(1, 8), (1, 16), (4, 8), (3, 16)])
def test_orientation_is_applied_once(orientation, kind, count, depth):
    """Against Pillow's own turning of the 8-bit picture."""
    samples = DEEP[..., :count] if depth == 16 else SHALLOW[..., :count]
    data = with_orientation(samples, kind, orientation)
    upright = decode_rgb(data, 'a')
    pixels = decode(data, count, depth)
    assert pixels.shape[:2] == upright.shape[:2]
    if depth == 16:
        pixels = np.floor(np.rint(pixels.astype(np.float64) * 257) / 256)
    expected = upright[..., : min(count, 3)]
    assert (pixels[..., : expected.shape[2]] == expected).all()


def with_orientation(samples, kind, orientation):
    """Write a picture with the EXIF tag, or TIFF's own."""
    buffer = io.BytesIO()
    squeezed = samples[..., 0] if samples.shape[2] == 1 else samples
    if kind == 'TIFF':
        tag = (0x0112, 'H', 1, orientation, True)
        tifffile.imwrite(
            buffer,
            squeezed,
            photometric='minisblack' if squeezed.ndim == 2 else 'rgb',
            extrasamples=['unassalpha'] if samples.shape[2] == 4 else None,
            extratags=[tag],
        )
        return buffer.getvalue()
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = b'eXIf' + exif.tobytes().removeprefix(b'Exif\0\0')
    chunk = struct.pack('>I', len(content) - 4) + content
    chunk += struct.pack('>I', zlib.crc32(content))
    data = png(samples)
    return data[:33] + chunk + data[33:]  # behind the header


def test_files_cut_short_are_refused():
    data = png(DEEP[..., :3])
    for channels, depth in ((1, 8), (3, 16), (1, 16)):
        with pytest.raises(UnreadableImageError, match='a.png'):
            decode(data[: len(data) // 2], channels, depth)


@pytest.mark.parametrize('kwargs', [dict(channels=2), dict(depth=12)])
def test_other_formats_are_refused(kwargs):
    (name, value), *_ = kwargs.items()
    with pytest.raises(ValueError, match=f'{name} must be .*got {value}'):
        PixelFormat(**kwargs)
