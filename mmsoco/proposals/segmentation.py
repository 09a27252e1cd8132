"""Felzenszwalb's graph segmentation as compiled kernels.

Efficient Graph-Based Image Segmentation, Felzenszwalb and Huttenlocher, IJCV
2004. The label maps are those of ``skimage.segmentation.felzenszwalb`` with a
stable sort, to the pixel, so every sum below keeps that function's order:
no kernel may be compiled with ``fastmath`` or fused multiply-adds.

Letters: H, W image sides; P = H * W pixels, numbered in raster order. An edge
is numbered ``4 * pixel + direction``.
"""

import numpy as np
from numba import njit

_DIRECTIONS = 4
# Edges are dropped into buckets by the leading bits of cost + _COST_FLOOR,
# which makes the buckets even in width below the floor and ever wider above.
_COST_FLOOR = 2.0**-8
_BUCKET_SHIFT = np.int64(52 - 11)
# Longest run for which counting ranks beats a merge sort.
_LONG_RUN = 128


def felzenszwalb(
    rgb: np.ndarray,
    scale: float = 300.0,
    sigma: float = 0.9,
    min_size: int = 100,
) -> np.ndarray:
    """Segment an image into regions of similar colour.

    Args:
        rgb: Pixels, (H, W, 3) uint8.
        scale: How readily regions grow, for colours of 0 to 255.
        sigma: Of the Gaussian that smooths the image first, pixels.
        min_size: Least pixels of a region.

    Returns:
        Labels, (H, W) int32, counted from 0 in raster order of their first
        pixel.
    """
    height, width = rgb.shape[:2]
    smooth = _smooth(rgb, _half_gaussian(sigma))
    costs = _edge_costs(smooth)
    order, ends = _sort_into_buckets(costs)
    steps = np.array([1, width, width + 1, width - 1])
    parents = _merge(costs, order, ends, steps, scale / 255.0, min_size)
    return _label(parents).reshape(height, width)


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
    """Smooth by a separable Gaussian, columns first, outer taps first.

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
    for c in range(channels):
        for y in range(height):
            for x in range(width):
                plane[y, x] = rgb[y, x, c] * (1.0 / 255)
        for y in range(height):
            middle = line[radius : radius + width]
            middle[:] = plane[y] * weights[0]
            for k in range(radius, 0, -1):
                _add_weighted(
                    middle,
                    plane[rows[y + radius - k]],
                    plane[rows[y + radius + k]],
                    weights[k],
                )
            for x in range(radius):
                line[x] = middle[columns[x]]
                line[radius + width + x] = middle[columns[radius + width + x]]
            out = smooth[c, y]
            out[:] = middle * weights[0]
            for k in range(radius, 0, -1):
                before = line[radius - k : radius - k + width]
                after = line[radius + k : radius + k + width]
                _add_weighted(out, before, after, weights[k])
    return smooth


@njit(cache=True)
def _edge_costs(smooth: np.ndarray) -> np.ndarray:
    """Colour distance of each pixel to its next neighbours.

    Args:
        smooth: (3, H, W).

    Returns:
        (4, H, W), each pixel's distance to the one on its right, below,
        below right and below left. Without meaning where there is none.
    """
    _, height, width = smooth.shape
    costs = np.zeros((_DIRECTIONS, height, width))
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
    """Write the distances of the colours of two lines, as far as ``a``."""
    red_a, green_a, blue_a = a[0], a[1], a[2]
    red_b, green_b, blue_b = b[0], b[1], b[2]
    for x in range(len(red_a)):
        red = red_a[x] - red_b[x]
        green = green_a[x] - green_b[x]
        blue = blue_a[x] - blue_b[x]
        out[x] = np.sqrt(red * red + green * green + blue * blue)


@njit(cache=True)
def _buckets(costs: np.ndarray) -> np.ndarray:
    """Bucket of each cost, uint16, rising with the cost."""
    lowest = np.array([_COST_FLOOR]).view(np.int64)[0] >> _BUCKET_SHIFT
    bits = (costs.reshape(-1) + _COST_FLOOR).view(np.int64)
    buckets = np.empty(len(bits), np.uint16)
    for i in range(len(bits)):
        buckets[i] = (bits[i] >> _BUCKET_SHIFT) - lowest
    return buckets.reshape(costs.shape)


@njit(cache=True)
def _sort_into_buckets(costs: np.ndarray) -> tuple:
    """Sort edges coarsely by cost.

    Args:
        costs: (4, H, W).

    Returns:
        ``order`` and ``ends``: bucket b is ``order[ends[b - 1]:ends[b]]``.
        Within a bucket edges stand by direction, then by pixel: the order of
        scikit-image's edge list, which a stable sort keeps.
    """
    _, height, width = costs.shape
    buckets = _buckets(costs)
    place = np.zeros(int(buckets.max()) + 2, np.int64)
    for d in range(_DIRECTIONS):
        rows, first, last = _edge_range(d, height, width)
        for y in range(rows):
            for x in range(first, last):
                place[buckets[d, y, x] + 1] += 1
    place = np.cumsum(place)
    order = np.empty(place[-1], np.int32)
    for d in range(_DIRECTIONS):
        rows, first, last = _edge_range(d, height, width)
        for y in range(rows):
            for x in range(first, last):
                bucket = buckets[d, y, x]
                order[place[bucket]] = (y * width + x) * _DIRECTIONS + d
                place[bucket] += 1
    return order, place[:-1]


@njit(cache=True)
def _edge_range(direction: int, height: int, width: int) -> tuple:
    """Return rows, first and last column of the pixels with such an edge."""
    rows = height if direction == 0 else height - 1
    first = 1 if direction == 3 else 0
    last = width - 1 if direction in (0, 2) else width
    return rows, first, last


@njit(cache=True)
def _find(parents: np.ndarray, pixel: int) -> int:
    """Return the root of a pixel's region, halving the path on the way."""
    while parents[pixel] != pixel:
        parents[pixel] = parents[parents[pixel]]
        pixel = parents[pixel]
    return pixel


@njit(cache=True)
def _select_open(
    edges: np.ndarray, parents: np.ndarray, steps: np.ndarray, out: np.ndarray
) -> int:
    """Copy the edges that do not evidently lie within one region.

    Looks three generations up without branching, which is where the time
    goes: most edges lie within a region by the time of their turn.
    """
    n = 0
    for edge in edges:
        pixel = edge >> 2
        a = parents[parents[parents[pixel]]]
        parents[pixel] = a
        b = parents[parents[parents[pixel + steps[edge & 3]]]]
        out[n] = edge
        n += a != b
    return n


@njit(cache=True)
def _sort_edges(edges: np.ndarray, keys: np.ndarray, out: np.ndarray) -> None:
    """Write ``edges`` sorted by ``keys``, stably; all (N,)."""
    if len(edges) > _LONG_RUN:
        out[:] = edges[np.argsort(keys, kind='mergesort')]
        return
    # Counting smaller keys is quadratic, but has no branch to mispredict.
    for i in range(len(edges)):
        key = keys[i]
        rank = 0
        for j in range(i):
            rank += keys[j] <= key
        for j in range(i + 1, len(edges)):
            rank += keys[j] < key
        out[rank] = edges[i]


@njit(cache=True)
def _merge(
    costs: np.ndarray,
    order: np.ndarray,
    ends: np.ndarray,
    steps: np.ndarray,
    scale: float,
    min_size: int,
) -> np.ndarray:
    """Join pixels along the edges in order of cost: (P,) parents."""
    flat = costs.reshape(-1)
    pixels = len(flat) // _DIRECTIONS
    parents = np.arange(pixels).astype(np.int32)
    sizes = np.ones(pixels, np.int32)
    limits = np.full(pixels, scale, np.float32)
    refused = np.empty(len(order), np.int32)
    n_refused = 0
    widest = np.diff(ends).max() if len(ends) > 1 else 0
    widest = max(widest, ends[0])
    run = np.empty(widest, np.int32)
    sorted_run = np.empty(widest, np.int32)
    keys = np.empty(widest)
    start = 0
    for end in ends:
        n = _select_open(order[start:end], parents, steps, run)
        start = end
        for i in range(n):
            keys[i] = flat[(run[i] & 3) * pixels + (run[i] >> 2)]
        _sort_edges(run[:n], keys[:n], sorted_run[:n])
        for i in range(n):
            edge = sorted_run[i]
            pixel = edge >> 2
            a = _find(parents, pixel)
            b = _find(parents, pixel + steps[edge & 3])
            if a == b:
                continue
            cost = flat[(edge & 3) * pixels + pixel]
            if cost < min(limits[a], limits[b]):
                root, child = (a, b) if sizes[a] >= sizes[b] else (b, a)
                parents[child] = root
                sizes[root] += sizes[child]
                limits[root] = np.float32(cost) + scale / sizes[root]
            else:
                refused[n_refused] = edge
                n_refused += 1
    for edge in refused[:n_refused]:
        pixel = edge >> 2
        a = _find(parents, pixel)
        b = _find(parents, pixel + steps[edge & 3])
        if a != b and min(sizes[a], sizes[b]) < min_size:
            root, child = (a, b) if sizes[a] >= sizes[b] else (b, a)
            parents[child] = root
            sizes[root] += sizes[child]
    return parents


@njit(cache=True)
def _label(parents: np.ndarray) -> np.ndarray:
    """Number the roots in raster order of their first pixel: (P,) int32."""
    labels = np.full(len(parents), -1, np.int32)
    of_root = np.full(len(parents), -1, np.int32)
    count = 0
    for pixel in range(len(parents)):
        root = _find(parents, pixel)
        if of_root[root] < 0:
            of_root[root] = count
            count += 1
        labels[pixel] = of_root[root]
    return labels
