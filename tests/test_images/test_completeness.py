"""Pictures whose data end too early are refused, whole ones never."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from mmsoco.images.errors import UnreadableImageError
from mmsoco.images.reading import decode_rgb

END = b'\xff\xd9'
# First row and column, and steps, of Adam7 (PNG specification, 8.2).
ADAM7 = [
    (0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2),
    (0, 1, 2, 2), (1, 0, 2, 1),
]  # fmt: skip


@pytest.fixture(scope='module')
def picture():
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 256, (15, 20, 3), np.uint8))
    return small.resize((163, 121), Image.Resampling.BICUBIC)


def jpeg(image, **options):
    file = io.BytesIO()
    image.save(file, 'JPEG', **options)
    return file.getvalue()


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


JPEGS = {
    'plain': lambda image: jpeg(image, quality=90),
    'gray': lambda image: jpeg(image.convert('L')),
    'cmyk': lambda image: jpeg(image.convert('CMYK')),
    'turned': lambda image: jpeg(image, exif=turned()),
    'restarts': lambda image: jpeg(image, restart_marker_rows=1),
    'progressive': lambda image: jpeg(image, progressive=True),
}


@pytest.mark.parametrize('kind', JPEGS)
@pytest.mark.parametrize('share', [0.2, 0.5, 0.97])
def test_a_part_of_a_jpeg_with_an_end_marker(picture, kind, share):
    data = JPEGS[kind](picture)
    start = data.index(b'\xff\xda') + 20
    part = data[: start + int(share * (len(data) - start))] + END
    if kind == 'progressive' and share > 0.9:
        # The last bit of some numbers is lost: more would cost a decoding.
        decode_rgb(part, 'a.jpg')
        return
    with pytest.raises(UnreadableImageError, match=r'a\.jpg'):
        decode_rgb(part, 'a.jpg')


@pytest.mark.parametrize('kind', JPEGS)
def test_gray_and_odd_ends_are_whole(picture, kind):
    gray = Image.new('RGB', picture.size, (128, 128, 128))
    assert (decode_rgb(JPEGS[kind](gray), 'a.jpg') == 128).all()
    whole = JPEGS[kind](picture)
    np.testing.assert_array_equal(
        decode_rgb(whole + b'camera notes', 'a.jpg'),
        decode_rgb(whole, 'a.jpg'),
    )


def test_nothing_is_printed_about_a_whole_picture(capfd):
    buffer = io.BytesIO()
    Image.new('RGB', (64, 64), (128, 128, 128)).save(buffer, 'JPEG')
    decode_rgb(buffer.getvalue(), 'a.jpg')
    assert capfd.readouterr() == ('', '')


def test_a_jpeg_within_another_one(picture):
    data = JPEGS['plain'](picture)
    with pytest.raises(UnreadableImageError, match='end before the picture'):
        decode_rgb(data[: len(data) // 2] + data, 'a.jpg')


def png(pixels, rows_kept=None, interlaced=False):
    """Write 8-bit gray; only so many bytes of the rows, well compressed."""
    height, width = pixels.shape
    passes = ADAM7 if interlaced else [(0, 0, 1, 1)]
    parts = [pixels[y::dy, x::dx] for y, x, dy, dx in passes]
    raw = b''.join(
        b'\0' + row.tobytes() for part in parts if part.size for row in part
    )
    header = struct.pack('>IIBBBBB', width, height, 8, 0, 0, 0, interlaced)
    chunks = [
        (b'IHDR', header),
        (b'IDAT', zlib.compress(raw[:rows_kept])),
        (b'IEND', b''),
    ]
    return b'\x89PNG\r\n\x1a\n' + b''.join(
        struct.pack('>I', len(data))
        + kind
        + data
        + struct.pack('>I', zlib.crc32(kind + data))
        for kind, data in chunks
    )


@pytest.mark.parametrize('interlaced', [False, True])
@pytest.mark.parametrize('size', [(1, 1), (3, 5), (9, 17)])
def test_a_png_with_fewer_rows_than_its_header(size, interlaced):
    pixels = np.full(size, 200, np.uint8)
    pixels[-1, -1] = 0
    whole = decode_rgb(png(pixels, interlaced=interlaced), 'a.png')
    assert np.array_equal(whole[..., 0], pixels)
    with pytest.raises(UnreadableImageError, match=r'a\.png.*expected|trunc'):
        decode_rgb(png(pixels, -1, interlaced), 'a.png')
