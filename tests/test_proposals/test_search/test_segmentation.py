import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.segmentation import felzenszwalb as reference
from skimage.util import img_as_float

from mmsoco.proposals.search import segmentation
from mmsoco.proposals.search.segmentation import felzenszwalb

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    'scale, sigma, min_size',
    [(300, 0.9, 100), (1, 0.5, 0), (50, 0.9, 20), (2000, 2.0, 7)],
)
@pytest.mark.parametrize('smoothness', [0, 4])
def test_labels_are_scikit_images(scale, sigma, min_size, smoothness):
    rgb = RNG.integers(0, 256, (70, 90, 3)).astype(float)
    if smoothness:
        rgb = gaussian_filter(rgb, [smoothness, smoothness, 0])
        rgb = (rgb - rgb.min()) / np.ptp(rgb) * 255
    rgb = rgb.astype(np.uint8)
    expected = reference(img_as_float(rgb), scale, sigma, min_size)
    np.testing.assert_array_equal(
        felzenszwalb(rgb, scale, sigma, min_size), expected
    )


@pytest.mark.parametrize('length', [0, 1, 2, 127, 128, 129, 500])
def test_runs_sort_stably(length):
    keys = RNG.integers(0, 9, length).astype(float)
    edges = np.arange(length, dtype=np.int32)[::-1].copy()
    out = np.empty_like(edges)
    segmentation._sort_edges(edges, keys, out)
    expected = edges[np.argsort(keys, kind='stable')]
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize('shape', [(1, 1), (1, 5), (5, 1), (4, 6)])
def test_each_edge_is_in_the_bucket_of_its_cost(shape):
    height, width = shape
    costs = RNG.uniform(0, 1.7, (4, *shape)) ** 3
    order, ends = segmentation._sort_into_buckets(costs)
    steps = [(0, 1), (1, 0), (1, 1), (1, -1)]
    expected = {
        (y * width + x) * 4 + d
        for d, (dy, dx) in enumerate(steps)
        for y in range(height - dy)
        for x in range(width)
        if 0 <= x + dx < width
    }
    assert sorted(order.tolist()) == sorted(expected)
    assert ends[-1] == len(order)
    flat = costs.transpose(1, 2, 0).ravel()
    runs = np.split(flat[order], ends[:-1])
    runs = [run for run in runs if len(run)]
    for lower, higher in zip(runs, runs[1:], strict=False):
        assert lower.max() < higher.min()
