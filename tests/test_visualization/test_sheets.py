import numpy as np

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
