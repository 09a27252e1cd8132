import numpy as np
import pytest
from plain_selective_search import plain_labels, plain_regions
from proposal_samples import GOLDEN, load_photo

from mmsoco.images.lists import find_images
from mmsoco.images.reading import read_rgb
from mmsoco.proposals.search.selective_search import (
    SearchSpec,
    selective_search,
)


def assert_equals_plain_route(rgb):
    bboxes, sizes = plain_regions(rgb, plain_labels(rgb))
    regions = selective_search(rgb)
    np.testing.assert_array_equal(regions.bboxes, bboxes)
    np.testing.assert_array_equal(regions.sizes, sizes)


@pytest.mark.parametrize('name', GOLDEN)
def test_golden_regions(golden_photos, name):
    rgb = load_photo(name)
    photo = golden_photos[name]
    assert rgb.shape[:2] == (photo['height'], photo['width'])
    regions = selective_search(rgb)
    xywh = regions.bboxes.copy()
    xywh[:, 2:] -= xywh[:, :2]
    assert xywh.tolist() == photo['regions_xywh']
    assert regions.sizes.tolist() == photo['region_sizes']


@pytest.mark.parametrize(
    ('name', 'part'),
    [
        ('chelsea', np.s_[23:, 110:]),
        ('coffee', np.s_[::2, 1::2]),
        ('astronaut', np.s_[:301, 60:259]),
        ('china', np.s_[::3, ::2]),
    ],
)
def test_parts_of_photos_equal_the_plain_route(name, part):
    assert_equals_plain_route(np.ascontiguousarray(load_photo(name)[part]))


@pytest.mark.slow
def test_all_photos_equal_the_plain_route(photos_dir):
    for name in find_images(photos_dir).names:
        assert_equals_plain_route(read_rgb(photos_dir / name))


@pytest.mark.parametrize('seed', range(4))
@pytest.mark.parametrize('levels', [2, 256])
def test_noise_equals_the_plain_route(seed, levels):
    # Two levels make many equal costs, patterns and similarities.
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, levels, (60 + seed, 50, 3)) * (255 // (levels - 1))
    assert_equals_plain_route(noise.astype(np.uint8))


def test_blocks_equal_the_plain_route():
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 256, (8, 9, 3), dtype=np.uint8)
    assert_equals_plain_route(blocks.repeat(14, axis=0).repeat(13, axis=1))


@pytest.mark.parametrize(
    'shape', [(1, 1), (1, 2), (2, 1), (2, 2), (1, 300), (3000, 1), (5000, 3)]
)
def test_tiny_and_very_tall(shape):
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    regions = selective_search(rgb)
    height, width = shape
    initial = regions.sizes.cumsum().tolist().index(height * width) + 1
    assert len(regions.sizes) <= 2 * initial - 1
    assert (regions.bboxes[:, :2] >= 0).all()
    assert (regions.bboxes[:, 2:] < (width, height)).all()


def test_one_color_is_one_region():
    regions = selective_search(np.full((40, 50, 3), 200, np.uint8))
    assert regions.bboxes.tolist() == [[0, 0, 49, 39]]
    assert regions.sizes.tolist() == [2000]


def test_strides_do_not_matter():
    rgb = load_photo('chelsea')
    turned = np.asfortranarray(rgb)
    np.testing.assert_array_equal(
        selective_search(rgb).bboxes, selective_search(turned).bboxes
    )


@pytest.mark.parametrize(
    'rgb, text',
    [
        (np.zeros((4, 4), np.uint8), r'got \(4, 4\)'),
        (np.zeros((4, 4, 4), np.uint8), r'got \(4, 4, 4\)'),
        (np.zeros((4, 4, 3)), 'float64'),
        (np.zeros((0, 4, 3), np.uint8), 'one pixel'),
    ],
)
def test_refuses_other_arrays(rgb, text):
    with pytest.raises(ValueError, match=text):
        selective_search(rgb)


@pytest.mark.parametrize(
    'parameters, text',
    [
        (dict(scale=0), 'scale'),
        (dict(scale=float('inf')), 'scale'),
        (dict(sigma=0), 'sigma'),
        (dict(sigma=101), 'sigma'),
        (dict(min_region_size=-1), 'min_region_size'),
    ],
)
def test_spec_refuses_nonsense(parameters, text):
    with pytest.raises(ValueError, match=text):
        SearchSpec(**parameters)
