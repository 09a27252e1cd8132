"""Images for the tests of this folder."""

import numpy as np
import skimage.data
from PIL import Image
from sklearn.datasets import load_sample_image

GOLDEN = ['chelsea', 'coffee', 'astronaut', 'rocket', 'china', 'flower']


def load_photo(name):
    if name in ('china', 'flower'):
        return load_sample_image(f'{name}.jpg')
    return getattr(skimage.data, name)()


def save_blocks(path, seed, height=120, width=160):
    """Save a picture of colored blocks, which has some proposals."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (5, 4, 3), dtype=np.uint8)
    pixels = blocks.repeat(40, 0).repeat(40, 1)[:height, :width]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
