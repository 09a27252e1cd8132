"""Compute edge costs of Felzenszwalb's graph: colors after smoothing.

They equal those of ``skimage.segmentation.felzenszwalb`` to the last bit, so
each sum keeps the order of scipy's filter and of numpy's reduction, without
``fastmath`` and fused multiply-adds.
"""

import numpy as np
from numba import njit

DIRECTIONS = 4


def edge_costs(rgb: np.ndarray, sigma: float) -> np.ndarray:
    """Smooth an image and compare each pixel with its next neighbors.

    Args:
        rgb: (H, W, 3) uint8.
        sigma: Standard deviation of the Gaussian, pixels.

    Returns:
        (4, H, W) float64, each pixel's Euclidean distance of colors in
        [0, 1] to the one on its right, below, below right and below left.
        Without meaning where there is none.
    """
    return _costs(_smooth(rgb, _half_gaussian(sigma)))


def _half_gaussian(sigma: float) -> np.ndarray:
    """Return the weights at offsets 0, 1, ... as scipy has them.

    The kernel ends at 4 sigma (scipy's ``truncate``).
    """
    radius = int(4.0 * sigma + 0.5)
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 / (sigma * sigma) * offsets**2)
    return (weights / weights.sum())[radius:]


@njit(cache=True)
def _reflected(length: int, radius: int) -> np.ndarray:
    """Map -radius .. length + radius - 1 into the line: b a | a b | b a."""
    source = np.empty(length + 2 * radius, np.int64)
    for i in range(len(source)):
        at = (i - radius) % (2 * length)
        source[i] = min(at, 2 * length - 1 - at)
    return source


@njit(cache=True)
def _add_weighted(
    total: np.ndarray, before: np.ndarray, after: np.ndarray, weight: float
) -> None:
    """Add ``(before + after) * weight`` to ``total``, all (N,)."""
    for i in range(len(total)):
        total[i] += (before[i] + after[i]) * weight


@njit(cache=True)
def _smooth(rgb: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Smooth by a separable Gaussian, first along columns.

    Args:
        rgb: (H, W, 3) uint8.
        weights: (R + 1,) of the offsets 0 to R.

    Returns:
        (3, H, W) float64 in [0, 1].
    """
    height, width, channels = rgb.shape
    radius = len(weights) - 1
    rows = _reflected(height, radius)
    columns = _reflected(width, radius)
    smooth = np.empty((channels, height, width))
    plane = np.empty((height, width))
    line = np.empty(width + 2 * radius)
    middle = line[radius : radius + width]
    for c in range(channels):
        for y in range(height):
            for x in range(width):
                plane[y, x] = rgb[y, x, c] * (1.0 / 255)
        for y in range(height):
            _weigh_column(plane, rows[y : y + 2 * radius + 1], weights, middle)
            for x in range(radius):
                line[x] = middle[columns[x]]
                line[radius + width + x] = middle[columns[radius + width + x]]
            _weigh_line(line, weights, smooth[c, y])
    return smooth


@njit(cache=True)
def _weigh_column(
    plane: np.ndarray, rows: np.ndarray, weights: np.ndarray, out: np.ndarray
) -> None:
    """Weigh the rows around one, outer pairs first, as scipy does."""
    radius = len(weights) - 1
    out[:] = plane[rows[radius]] * weights[0]
    for k in range(radius, 0, -1):
        before, after = plane[rows[radius - k]], plane[rows[radius + k]]
        _add_weighted(out, before, after, weights[k])


@njit(cache=True)
def _weigh_line(
    line: np.ndarray, weights: np.ndarray, out: np.ndarray
) -> None:
    """Weigh the pixels around each one of a line, outer pairs first."""
    radius, width = len(weights) - 1, len(out)
    out[:] = line[radius : radius + width] * weights[0]
    for k in range(radius, 0, -1):
        before = line[radius - k : radius - k + width]
        after = line[radius + k : radius + k + width]
        _add_weighted(out, before, after, weights[k])


@njit(cache=True)
def _costs(smooth: np.ndarray) -> np.ndarray:
    """Color distance of each pixel to its next neighbors.

    Args:
        smooth: (3, H, W).

    Returns:
        (4, H, W), each pixel's distance to the one on its right, below,
        below right and below left. Without meaning where there is none.
    """
    _, height, width = smooth.shape
    costs = np.zeros((DIRECTIONS, height, width))
    for y in range(height):
        here = smooth[:, y]
        _line_costs(here[:, 1:], here, costs[0, y])
        if y + 1 < height:
            below = smooth[:, y + 1]
            _line_costs(below, here, costs[1, y])
            _line_costs(below[:, 1:], here, costs[2, y])
            _line_costs(here[:, 1:], below, costs[3, y, 1:])
    return costs


@njit(cache=True)
def _line_costs(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    """Write the color distances of two lines, up to the length of ``a``."""
    red_a, green_a, blue_a = a[0], a[1], a[2]
    red_b, green_b, blue_b = b[0], b[1], b[2]
    for x in range(len(red_a)):
        red = red_a[x] - red_b[x]
        green = green_a[x] - green_b[x]
        blue = blue_a[x] - blue_b[x]
        out[x] = np.sqrt(red * red + green * green + blue * blue)
