import warnings

import numpy as np
import pytest
from skimage.feature import local_binary_pattern

from mmsoco.proposals.search.texture import local_binary_patterns

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    'shape', [(1, 1), (1, 9), (9, 1), (33, 47), (2, 3000), (3000, 2)]
)
@pytest.mark.parametrize('levels', [1, 2, 256])
def test_patterns_are_scikit_images(shape, levels):
    # Few levels: on even ground the last bits of the weights decide.
    rgb = RNG.integers(0, levels, (*shape, 3)) * (255 // max(levels - 1, 1))
    rgb = (255 - rgb).astype(np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        expected = [
            local_binary_pattern(rgb[..., c].astype(float), 8, 1)
            for c in range(3)
        ]
    np.testing.assert_array_equal(local_binary_patterns(rgb), expected)
