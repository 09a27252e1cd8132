import resource

import numpy as np
import pytest

from mmsoco.visualization import sheets


def test_grid_places_pictures():
    pictures = [
        [np.full((2, 3, 3), 10 * i + j, np.uint8) for j in range(2)]
        for i in range(3)
    ]
    laid = sheets.grid(pictures, gap=1)
    assert laid.shape == (3 * 2 + 2, 2 * 3 + 1, 3)
    assert laid[3, 4, 0] == 11
    assert laid[2, 0, 0] == laid[0, 3, 0] == 255


def test_contact_sheet_holds_every_picture():
    pictures = [
        np.full((10 + i, 20 - i, 3), 100 + i, np.uint8) for i in range(5)
    ]
    sheet = sheets.contact_sheet(pictures, 2)
    for i, picture in enumerate(pictures):
        found = (sheet == 100 + i).all(axis=2).sum()
        assert found == picture.shape[0] * picture.shape[1]
    assert sheets.contact_sheet(pictures[:1], 4).shape == (26, 36, 3)


@pytest.mark.parametrize('name', ['a.jpg', 'a.png'])
def test_a_full_disk_leaves_no_part_of_a_picture(tmp_path, name):
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    _, hard = limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Less than the picture, so that the first write takes a part of it.
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match='could not be written'):
            sheets.save_picture(noise, tmp_path / name)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())
