import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.util import img_as_float

from mmsoco.proposals.search import edge_costs

RNG = np.random.default_rng(0)


@pytest.mark.parametrize('shape', [(1, 1), (2, 3), (9, 1), (30, 41)])
@pytest.mark.parametrize('sigma', [0.3, 0.9, 2.5])
def test_smoothing_is_scipys_to_the_last_bit(shape, sigma):
    rgb = RNG.integers(0, 256, (*shape, 3), dtype=np.uint8)
    smooth = edge_costs._smooth(rgb, edge_costs._half_gaussian(sigma))
    expected = gaussian_filter(img_as_float(rgb), [sigma, sigma, 0])
    np.testing.assert_array_equal(smooth.transpose(1, 2, 0), expected)


@pytest.mark.parametrize('shape', [(1, 1), (1, 4), (4, 1), (7, 9)])
def test_costs_are_distances_of_neighbours(shape):
    rgb = RNG.integers(0, 256, (*shape, 3), dtype=np.uint8)
    costs = edge_costs.edge_costs(rgb, 0.9)
    smooth = gaussian_filter(img_as_float(rgb), [0.9, 0.9, 0])
    height, width = shape
    for d, (dy, dx) in enumerate([(0, 1), (1, 0), (1, 1), (1, -1)]):
        for y in range(height - dy):
            for x in range(max(-dx, 0), width - max(dx, 0)):
                difference = smooth[y, x] - smooth[y + dy, x + dx]
                expected = np.linalg.norm(difference)
                assert costs[d, y, x] == pytest.approx(expected, rel=1e-12)
