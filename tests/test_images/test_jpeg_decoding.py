"""OpenCV's short cut of the reader gives Pillow's pixels."""

import numpy as np
import pytest
from PIL import Image

from mmsoco.images import reading as images
from mmsoco.images.errors import UnreadableImageError
from mmsoco.images.reading import read_rgb

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf='
    b'"http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
    b'</rdf:RDF></x:xmpmeta>'
)


@pytest.fixture
def image():
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:61, 0:83]
    waves = np.stack([3 * rows, 3 * columns, 2 * (rows + columns)], -1)
    noise = rng.normal(0, 20, waves.shape)
    return Image.fromarray(np.clip(waves + noise, 0, 255).astype(np.uint8))


@pytest.mark.parametrize('subsampling', ['4:4:4', '4:2:2', '4:2:0'])
@pytest.mark.parametrize('progressive', [False, True])
def test_pixels_equal_pillows(tmp_path, image, subsampling, progressive):
    path = tmp_path / 'a.jpg'
    for quality in (30, 75, 100):
        image.save(
            path,
            quality=quality,
            subsampling=subsampling,
            progressive=progressive,
        )
        with Image.open(path) as expected:
            assert (read_rgb(path) == np.asarray(expected)).all()


def test_file_with_something_after_its_end(tmp_path, image):
    path = tmp_path / 'a.jpg'
    image.save(path)
    whole = read_rgb(path)
    path.write_bytes(path.read_bytes() + b'\0\0 and more')
    assert (read_rgb(path) == whole).all()


def test_marker_alone_is_refused(tmp_path):
    path = tmp_path / 'a.jpg'
    path.write_bytes(b'\xff\xd8\xff\xd9')
    with pytest.raises(UnreadableImageError, match='a.jpg'):
        read_rgb(path)


@pytest.fixture
def pillow_alone(monkeypatch):
    """Fail where OpenCV decodes."""

    def refuse(data):
        pytest.fail('decoded by OpenCV')

    monkeypatch.setattr(images, '_decode_jpeg', refuse)


@pytest.mark.parametrize('settings', [{}, dict(comment=b'\xff\xc0' * 50)])
def test_short_cut_is_taken_whatever_the_header_holds(
    tmp_path, image, monkeypatch, settings
):
    """Thumbnails, comments and an upright orientation do not matter."""
    exif = Image.Exif()
    exif[0x0112] = 1
    image.save(tmp_path / 'a.jpg', exif=exif, dpi=(72, 72), **settings)
    decoded = np.array([[[1, 2, 3]]], np.uint8)
    monkeypatch.setattr(images, '_decode_jpeg', lambda data: decoded)
    assert read_rgb(tmp_path / 'a.jpg') is decoded


def test_turned_by_xmp(tmp_path, image):
    image.save(tmp_path / 'a.jpg', xmp=XMP)
    image.save(tmp_path / 'b.jpg')
    turned = np.rot90(read_rgb(tmp_path / 'b.jpg'), -1)
    assert (read_rgb(tmp_path / 'a.jpg') == turned).all()


@pytest.mark.parametrize('mode', ['L', 'CMYK'])
def test_other_colors_are_left_to_pillow(tmp_path, image, mode, pillow_alone):
    image.convert(mode).save(tmp_path / 'a.jpg')
    with Image.open(tmp_path / 'a.jpg') as expected:
        expected = np.asarray(expected.convert('RGB'))
    assert (read_rgb(tmp_path / 'a.jpg') == expected).all()


def test_too_large_is_refused(tmp_path, image, monkeypatch):
    image.save(tmp_path / 'a.jpg')
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 10)
    with pytest.raises(UnreadableImageError, match='DecompressionBomb'):
        read_rgb(tmp_path / 'a.jpg')
