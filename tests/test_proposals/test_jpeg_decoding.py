"""OpenCV's short cut of the reader gives Pillow's pixels."""

import numpy as np
import pytest
from PIL import Image

from mmsoco.proposals.images import UnreadableImageError, read_rgb


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


def test_cut_file_with_an_end_is_read_or_refused_not_made_up(tmp_path, image):
    """Libjpeg fills what is missing with grey, for Pillow as for OpenCV."""
    path = tmp_path / 'a.jpg'
    image.save(path)
    path.write_bytes(path.read_bytes()[:-900] + b'\xff\xd9')
    with Image.open(path) as expected:
        assert (read_rgb(path) == np.asarray(expected)).all()


def test_marker_alone_is_refused(tmp_path):
    path = tmp_path / 'a.jpg'
    path.write_bytes(b'\xff\xd8\xff\xd9')
    with pytest.raises(UnreadableImageError, match='a.jpg'):
        read_rgb(path)
