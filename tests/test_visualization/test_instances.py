import numpy as np

from mmsoco.visualization.instances import DrawnInstance, draw_instances
from mmsoco.visualization.views import PALETTE


def instance(label=0, left=40, text='disc 0.9'):
    mask = np.zeros((60, 100), bool)
    mask[20:50, left : left + 40] = True
    return DrawnInstance(label, (left, 20, left + 40, 50), mask, text)


def test_nothing_to_draw():
    image = np.full((60, 100, 3), 90, np.uint8)
    picture = draw_instances(image, [])
    assert picture.shape == (120, 200, 3)
    assert np.all(picture == 90)


def test_mask_is_tinted_in_the_color_of_its_class():
    image = np.zeros((60, 100, 3), np.uint8)
    picture = draw_instances(image, [instance(label=1)])
    inside = picture[70, 120]
    expected = 0.45 * np.array(PALETTE[1])
    assert np.all(np.abs(inside - expected) <= 1)
    assert np.all(picture[110, 20] == 0)
    assert np.all(image == 0)


def test_labels_stay_inside_of_the_picture():
    image = np.zeros((60, 100, 3), np.uint8)
    long = 'a name that is longer than the picture is wide'
    for left in (0, 60):
        picture = draw_instances(image, [instance(left=left, text=long)])
        assert picture.shape == (120, 200, 3)
