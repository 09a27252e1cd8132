"""Inputs of the golden cases, drawn again from their names.

The published implementation was run on tensors that nobody stored. Each of
them follows from its name alone: the CRC-32 of ``v1/NAME`` seeds numpy's
``RandomState``, whose streams numpy has frozen for good.
"""

import math
import zlib
from collections.abc import Sequence

import numpy as np

VERSION = 'v1'
CELLS = 8  # an image is made of 8 x 8 cells


def generator(name: str) -> np.random.RandomState:
    """Return the random numbers that belong to a name."""
    return np.random.RandomState(zlib.crc32(f'{VERSION}/{name}'.encode()))


def normal(name: str, shape: Sequence[int]) -> np.ndarray:
    """Return float32 numbers of mean 0 and variance 1."""
    values = generator(name).standard_normal(tuple(shape))
    return values.astype(np.float32)


def weight(name: str, shape: Sequence[int]) -> np.ndarray:
    """Return the tensor that a state dict has under a name.

    Args:
        name: Key of the state dict; its ending tells the kind of tensor.
        shape: The tensor's shape.

    Returns:
        float32, of a size that keeps a deep network's values finite; a
        counter of batches is an int64 zero.
    """
    kind = name.rpartition('.')[2]
    if kind == 'num_batches_tracked':
        return np.zeros(shape, np.int64)
    values = normal(name, shape)
    if kind == 'running_mean':
        return 0.1 * values
    if kind == 'running_var':
        return 1 + 0.1 * abs(values)
    if kind == 'bias':
        return 0.05 * values
    if len(shape) == 1:  # the scale of a batch norm
        return 0.6 + 0.05 * values
    he = math.sqrt(2 / math.prod(shape[1:]))
    # The factor is rounded after the product, not before.
    return (values.astype(np.float64) * he).astype(np.float32)


def boxes(name: str, num_images: int, num_boxes: int) -> np.ndarray:
    """Return boxes of every size within a view of sides 1.

    Returns:
        (N, K, 4) float32, xyxy, in [0, 1].
    """
    x, y, size, shape = np.moveaxis(
        generator(name).uniform(size=(num_images, num_boxes, 4)), -1, 0
    )
    mean_side = 0.12 + 0.83 * size
    stretch = 0.85 + 0.3 * shape
    width = np.minimum(mean_side * stretch, 0.99)
    height = np.minimum(mean_side / stretch, 0.99)
    left, top = x * (1 - width), y * (1 - height)
    corners = np.stack([left, top, left + width, top + height], -1)
    return corners.astype(np.float32)


def image(name: str, num_images: int, size: int) -> np.ndarray:
    """Return normalized images of colored cells under a little noise.

    Args:
        name: Name of the view.
        num_images: N.
        size: Height and width in pixels, a multiple of 8.

    Returns:
        (N, 3, size, size) float32.
    """
    cells = 2 * normal(f'{name}/cells', (num_images, 3, CELLS, CELLS))
    side = size // CELLS
    blocks = cells.repeat(side, axis=2).repeat(side, axis=3)
    return blocks + 0.1 * normal(name, blocks.shape)
