import numpy as np
import pytest
from plain_selective_search import has_corner_inside, plain_regions
from proposal_samples import GOLDEN, load_photo

from mmsoco.proposals.search import grouping
from mmsoco.proposals.search.grouping import group_regions
from mmsoco.proposals.search.texture import local_binary_patterns


def group(labels, rgb):
    labels = labels.astype(np.int32)
    return group_regions(labels, rgb, local_binary_patterns(rgb))


@pytest.mark.parametrize('name', GOLDEN)
def test_golden_grouping_of_golden_segments(golden_dir, golden_photos, name):
    segments = np.load(golden_dir / 'golden_segments.npz')
    rgb = np.ascontiguousarray(load_photo(name))
    bboxes, sizes = group(segments[name], rgb)
    bboxes[:, 2:] -= bboxes[:, :2]
    assert bboxes.tolist() == golden_photos[name]['regions_xywh']
    assert sizes.tolist() == golden_photos[name]['region_sizes']


@pytest.mark.parametrize('seed', range(5))
def test_any_label_map_equals_the_plain_route(seed):
    # Scattered labels make boxes that overlap in every way, and many ties.
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 40, (12, 10)).repeat(3, 0).repeat(4, 1)
    labels = np.unique(labels, return_inverse=True)[1].reshape(36, 40)
    rgb = rng.integers(0, 2, (36, 40, 3), dtype=np.uint8) * 255
    bboxes, sizes = group(labels, rgb)
    expected_bboxes, expected_sizes = plain_regions(rgb, labels)
    np.testing.assert_array_equal(bboxes, expected_bboxes)
    np.testing.assert_array_equal(sizes, expected_sizes)


@pytest.mark.parametrize('bins', [10, 25])
def test_histogram_bins_are_numpys(bins):
    for value in range(256):
        counts, _ = np.histogram([float(value)], bins, (0.0, 255.0))
        assert counts[grouping._histogram_bins(bins)[value]] == 1


def test_neighbours_over_all_small_boxes():
    rng = np.random.default_rng(0)
    for _ in range(2000):
        corners = np.sort(rng.integers(0, 6, (2, 2, 2)), axis=1)
        earlier, later = corners.reshape(2, 4).astype(np.int32)
        assert grouping._are_neighbours(earlier, later) == has_corner_inside(
            earlier, later
        )
