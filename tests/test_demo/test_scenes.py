import numpy as np
import pytest

from mmsoco.demo import make_scenes, scenes


def raster(points=400):
    axis = (np.arange(points) + 0.5) / points * 2 - 1
    return np.meshgrid(axis, axis)


def test_disc_covers_pi_quarters():
    share = scenes.shape_mask('disc', *raster()).mean()
    assert share == pytest.approx(np.pi / 4, abs=1e-3)


def test_star_has_five_points():
    angles = np.arange(3600) / 3600 * 2 * np.pi
    # Close to the rim only the five points are left.
    rim = scenes.shape_mask('star', 0.9 * np.cos(angles), 0.9 * np.sin(angles))
    starts = np.flatnonzero(rim & ~np.roll(rim, 1))
    assert len(starts) == 5
    assert np.all(np.abs(np.diff(starts) - 720) <= 1)
    assert scenes.shape_mask('star', np.array(0.99), np.array(0.0))


def test_stripes_run_one_way_dots_both():
    u, v = raster()
    striped = scenes.texture_values('striped', u, v, 4.0)
    dotted = scenes.texture_values('dotted', u, v, 4.0)
    assert np.all(striped == striped[:1])
    assert striped.mean() == pytest.approx(0.5, abs=0.01)
    # The share of a disc of radius 0.32 in its cell.
    assert dotted.mean() == pytest.approx(np.pi * 0.32**2, abs=0.01)
    assert len(np.unique(dotted, axis=0)) > 2
    assert len(np.unique(dotted, axis=1)[0]) > 2


def test_colors_differ_in_brightness():
    for seed in range(50):
        colors = scenes.draw_colors(np.random.default_rng(seed))
        value = colors.max(axis=1)
        assert abs(value[0] - value[1]) > 60


def test_every_photo_ships():
    for name in make_scenes.TRAIN_PHOTOS + make_scenes.VAL_PHOTOS:
        photo = scenes.read_photo(name)
        assert photo.dtype == np.uint8 and photo.shape[2] == 3
    assert not set(make_scenes.TRAIN_PHOTOS) & set(make_scenes.VAL_PHOTOS)
    with pytest.raises(FileNotFoundError, match='nowhere.png is in none'):
        scenes.find_photo('nowhere.png')


@pytest.mark.parametrize('seed', range(5))
def test_scene_masks_are_visible_and_apart(seed):
    photo = scenes.read_photo('chelsea.png')
    rng = np.random.default_rng(seed)
    image, instances = scenes.draw_scene(photo, 192, 256, rng)
    assert image.shape == (192, 256, 3) and image.dtype == np.uint8
    assert 1 <= len(instances) <= scenes.OBJECTS_PER_SCENE[1]
    assert np.sum([i.mask for i in instances], axis=0).max() == 1
    assert all(i.mask.sum() > 60 for i in instances)


def test_place_gives_up_where_there_is_no_room():
    full = np.ones((50, 50), bool)
    rng = np.random.default_rng(0)
    assert scenes.place([full], np.ones((40, 40)), (50, 50), rng) is None
    small = scenes.place([full], np.ones((20, 20)), (50, 50), rng)
    assert small is not None
