import pickle
import struct

import numpy as np
import pytest
from PIL import Image

from mmsoco.images.errors import UnreadableImageError
from mmsoco.images.names import is_image
from mmsoco.images.reading import (
    PixelFormat,
    decode_pixels,
    read_rgb,
    read_size,
)

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)
GRAY = RGB[..., 0]


def repeat(gray):
    return np.repeat(gray[..., None], 3, axis=2)


@pytest.mark.parametrize(
    'name, image, expected',
    [
        ('rgb.png', Image.fromarray(RGB), RGB),
        ('UPPER.PNG', Image.fromarray(RGB), RGB),
        ('gray.png', Image.fromarray(GRAY), repeat(GRAY)),
        ('one.png', Image.fromarray(RGB[:1, :1]), RGB[:1, :1]),
        (
            'bit.png',
            Image.fromarray(GRAY > 99),
            repeat((GRAY > 99) * np.uint8(255)),
        ),
        (
            'sixteen.png',
            Image.fromarray(GRAY.astype(np.uint16) * 256 + 77),
            repeat(GRAY),
        ),
        (
            'sixteen.tif',
            Image.fromarray(GRAY.astype(np.uint16) * 256 + 77),
            repeat(GRAY),
        ),
        ('alpha.png', Image.fromarray(np.dstack([RGB, GRAY])), RGB),
        ('gray alpha.png', Image.fromarray(RGB[..., :2], 'LA'), repeat(GRAY)),
        ('palette.png', Image.fromarray(RGB).quantize(64), None),
        ('palette.gif', Image.fromarray(RGB).quantize(64), None),
        ('é 图 name.bmp', Image.fromarray(RGB), RGB),
    ],
)
def test_modes(tmp_path, name, image, expected):
    image.save(tmp_path / name)
    if expected is None:
        expected = np.array(image.getpalette()).reshape(-1, 3)[
            np.asarray(image)
        ]
    pixels = read_rgb(tmp_path / name)
    assert pixels.dtype == np.uint8 and pixels.flags.writeable
    np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize('depth', [8, 16])
@pytest.mark.parametrize(
    ('low', 'high'), [(-1, 255), (0, 2**16), (-(2**31), 2**31 - 1)]
)
def test_32_bits_without_a_defined_range(tmp_path, low, high, depth):
    """Clipped, they would be all black or all white, without a word."""
    path = tmp_path / 'deep.tif'
    Image.fromarray(np.array([[low, high]], np.int32)).save(path)
    with pytest.raises(UnreadableImageError, match=f'from {low} to {high}'):
        decode_pixels(path.read_bytes(), path, PixelFormat(depth=depth))
    Image.fromarray(np.array([[0, 2**16 - 1]], np.int32)).save(path)
    assert read_rgb(path)[..., 0].tolist() == [[0, 255]]


def test_postscript_under_the_name_of_a_picture_is_not_run(
    tmp_path, monkeypatch
):
    path = tmp_path / 'a.png'
    Image.fromarray(RGB).save(path, 'EPS')
    monkeypatch.setattr(
        'PIL.EpsImagePlugin.Ghostscript', lambda *_: pytest.fail('it was run')
    )
    for read in (read_rgb, read_size):
        with pytest.raises(UnreadableImageError, match='PostScript'):
            read(path)


def test_transparent_palette(tmp_path, recwarn):
    image = Image.fromarray(RGB).quantize(16)
    image.save(tmp_path / 'a.png', transparency=bytes(range(16)))
    expected = np.array(image.getpalette()).reshape(-1, 3)[np.asarray(image)]
    np.testing.assert_array_equal(read_rgb(tmp_path / 'a.png'), expected)
    assert not recwarn.list


def test_cmyk_jpeg(tmp_path):
    # Flat, so that JPEG loses nothing worth mentioning; no black.
    cmyk = np.full((16, 24, 4), (255, 0, 100, 0), np.uint8)
    Image.fromarray(cmyk, 'CMYK').save(tmp_path / 'a.jpg', quality=100)
    pixels = read_rgb(tmp_path / 'a.jpg').astype(int)
    assert np.abs(pixels - (0, 255, 155)).max() <= 3


def test_very_tall(tmp_path):
    tall = np.repeat(RGB[:1, :1], 20000, axis=0)
    Image.fromarray(tall).save(tmp_path / 'a.png')
    np.testing.assert_array_equal(read_rgb(tmp_path / 'a.png'), tall)


@pytest.mark.parametrize(
    'orientation, upright',
    [
        (1, lambda a: a),
        (2, lambda a: a[:, ::-1]),
        (3, lambda a: a[::-1, ::-1]),
        (4, lambda a: a[::-1]),
        (5, lambda a: a.swapaxes(0, 1)),
        (6, lambda a: a.swapaxes(0, 1)[:, ::-1]),
        (7, lambda a: a[::-1, ::-1].swapaxes(0, 1)),
        (8, lambda a: a.swapaxes(0, 1)[::-1]),
        (99, lambda a: a),
    ],
)
@pytest.mark.parametrize('suffix', ['png', 'tif'])
def test_exif_orientation(tmp_path, orientation, upright, suffix):
    path = tmp_path / f'a.{suffix}'
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(RGB).save(path, exif=exif)
    np.testing.assert_array_equal(read_rgb(path), upright(RGB))
    assert read_size(path) == upright(RGB).shape[:2]


def test_exif_orientation_of_jpeg(tmp_path):
    path = tmp_path / 'a.jpg'
    half = np.zeros((16, 32, 3), np.uint8)
    half[:, 16:] = 200
    exif = Image.Exif()
    exif[0x0112] = 6  # the stored top is the right side of the upright
    Image.fromarray(half).save(path, exif=exif)
    pixels = read_rgb(path)
    assert pixels.shape == (32, 16, 3) and read_size(path) == (32, 16)
    assert pixels[:15].max() < 20 and pixels[17:].min() > 180


def test_damaged_exif_does_not_cost_the_image(tmp_path):
    path = tmp_path / 'a.jpg'
    flat = np.full((16, 16, 3), 90, np.uint8)
    Image.fromarray(flat).save(path)
    plain = path.read_bytes()
    body = b'Exif\x00\x00II*\x00' + struct.pack('<IH', 8, 9999) + b'\xff' * 9
    marker = b'\xff\xe1' + struct.pack('>H', len(body) + 2) + body
    path.write_bytes(plain[:2] + marker + plain[2:])
    assert np.abs(read_rgb(path).astype(int) - 90).max() <= 1


def damage(data, kind):
    return {
        'empty': b'',
        'text': b'no image at all',
        'header only': data[:30],
        'half': data[: len(data) // 2],
        'without end': data[:-40],
    }[kind]


@pytest.mark.parametrize('suffix', ['jpg', 'png'])
@pytest.mark.parametrize(
    'kind', ['empty', 'text', 'header only', 'half', 'without end']
)
def test_damaged_files_are_named(tmp_path, suffix, kind):
    path = tmp_path / f'bad one.{suffix}'
    noise = RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(damage(path.read_bytes(), kind))
    with pytest.raises(UnreadableImageError, match='bad one.*repair') as info:
        read_rgb(path)
    assert info.value.reason


@pytest.mark.parametrize(
    ('data', 'reason'),
    [
        (b'', 'is empty'),
        (b'\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'HEIC.*convert it to .jpg'),
        (b'\n<!DOCTYPE html><html>', 'a web page'),
        (b'\0\0\0\x18ftypisom', 'not an image of a known format'),
    ],
)
def test_other_files_under_the_name_of_a_picture(tmp_path, data, reason):
    path = tmp_path / 'a.jpg'
    path.write_bytes(data)
    for read in (read_rgb, read_size):
        with pytest.raises(UnreadableImageError, match=f'a.jpg.*{reason}'):
            read(path)


def test_missing_file_and_folder_are_unreadable(tmp_path):
    with pytest.raises(UnreadableImageError, match='no such file'):
        read_rgb(tmp_path / 'a.jpg')
    with pytest.raises(UnreadableImageError):
        read_rgb(tmp_path)
    with pytest.raises(UnreadableImageError, match='a.jpg'):
        read_size(tmp_path / 'a.jpg')


def test_bomb_is_refused(tmp_path, monkeypatch):
    Image.fromarray(RGB).save(tmp_path / 'a.png')
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 10)
    with pytest.raises(UnreadableImageError, match='DecompressionBomb'):
        read_rgb(tmp_path / 'a.png')


def test_is_image():
    assert is_image('A.JpG') and is_image('x.y/z.webp')
    assert not is_image('a.jpg.txt') and not is_image('jpg')


def test_error_reads_the_same_in_another_process():
    error = UnreadableImageError('bad one.png', 'empty')
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == str(error) == error.args[0]
    assert (copy.path, copy.reason) == ('bad one.png', 'empty')
