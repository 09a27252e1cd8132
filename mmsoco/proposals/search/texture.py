"""Local binary patterns as a compiled kernel.

Ojala et al., PAMI 2002: a pixel's pattern has one bit per neighbor on a
circle, set if the neighbor is at least as bright as the pixel.
"""

import numpy as np
from numba import njit

# cos(45 degrees) to five digits, as scikit-image rounds its offsets.
_DIAGONAL = 0.70711


def local_binary_patterns(rgb: np.ndarray) -> np.ndarray:
    """Pattern of each pixel and channel, 8 neighbors at radius 1.

    Equal to ``skimage.feature.local_binary_pattern(channel, 8, 1)`` on each
    channel as floats: neighbors are counted from the right one towards the
    top, diagonal ones are interpolated, and outside is black.

    Args:
        rgb: (H, W, 3) uint8.

    Returns:
        (3, H, W) uint8.
    """
    height, width = rgb.shape[:2]
    weights_y = _fractions(height)
    weights_x = _fractions(width)
    return _patterns(rgb, weights_y, weights_x)


def _fractions(length: int) -> np.ndarray:
    """Return the weights of the farther pixel in diagonal steps, up and down.

    They differ from pixel to pixel in their last bits, as ``i + 0.70711``
    rounds; that decides whether an even surface counts as "as bright".

    Returns:
        (2, length) float64, for steps to lower and to higher indices: the
        weight of the pixel with the higher index.
    """
    at = np.arange(length) + np.array([[-_DIAGONAL], [_DIAGONAL]])
    return at - np.floor(at)


@njit(cache=True)
def _patterns(
    rgb: np.ndarray, weights_y: np.ndarray, weights_x: np.ndarray
) -> np.ndarray:
    """Compute the patterns line by line."""
    height, width, channels = rgb.shape
    patterns = np.empty((channels, height, width), np.uint8)
    # Three lines around the current one, black at both ends.
    lines = np.zeros((3, width + 2))
    for c in range(channels):
        lines[:] = 0
        _load(lines[2], rgb[0, :, c])
        for y in range(height):
            lines[0] = lines[1]
            lines[1] = lines[2]
            if y + 1 < height:
                _load(lines[2], rgb[y + 1, :, c])
            else:
                lines[2] = 0
            _line(
                lines,
                weights_y[0, y],
                weights_y[1, y],
                weights_x,
                patterns[c, y],
            )
    return patterns


@njit(cache=True)
def _load(line: np.ndarray, values: np.ndarray) -> None:
    """Copy a line of an image between the black ends."""
    for x in range(len(values)):
        line[x + 1] = values[x]


@njit(cache=True)
def _line(
    lines: np.ndarray,
    up: float,
    down: float,
    weights_x: np.ndarray,
    out: np.ndarray,
) -> None:
    """Write the patterns of the middle one of three lines."""
    n = len(out)
    above, here, below = lines[0], lines[1], lines[2]
    left, right = weights_x[0], weights_x[1]
    a0, a1, a2 = above[:n], above[1 : n + 1], above[2:]
    h0, h1, h2 = here[:n], here[1 : n + 1], here[2:]
    b0, b1, b2 = below[:n], below[1 : n + 1], below[2:]
    for x in range(n):
        value = h1[x]
        to_left, to_right = left[x], right[x]
        bits = (h2[x] >= value) * 1
        bits += (a1[x] >= value) * 4
        bits += (h0[x] >= value) * 16
        bits += (b1[x] >= value) * 64
        near = (1 - to_right) * h1[x] + to_right * h2[x]
        far = (1 - to_right) * a1[x] + to_right * a2[x]
        bits += ((1 - up) * far + up * near >= value) * 2
        far = (1 - to_right) * b1[x] + to_right * b2[x]
        bits += ((1 - down) * near + down * far >= value) * 128
        near = (1 - to_left) * h0[x] + to_left * h1[x]
        far = (1 - to_left) * a0[x] + to_left * a1[x]
        bits += ((1 - up) * far + up * near >= value) * 8
        far = (1 - to_left) * b0[x] + to_left * b1[x]
        bits += ((1 - down) * near + down * far >= value) * 32
        out[x] = bits
