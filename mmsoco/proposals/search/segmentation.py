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

from mmsoco.proposals.search.edge_costs import DIRECTIONS, edge_costs

# Edges are sorted into buckets by the leading bits of cost + _COST_FLOOR: the
# buckets have equal widths below the floor, and grow above it.
_COST_FLOOR = 2.0**-8
_BUCKET_SHIFT = np.int64(52 - 11)
# Longest run for which counting ranks is faster than a merge sort.
_LONG_RUN = 128


def felzenszwalb(
    rgb: np.ndarray,
    scale: float = 300.0,
    sigma: float = 0.9,
    min_size: int = 100,
) -> np.ndarray:
    """Segment an image into regions of similar color.

    Args:
        rgb: Pixels, (H, W, 3) uint8.
        scale: How readily regions grow, for colors of 0 to 255.
        sigma: Standard deviation of the Gaussian that smooths the image first,
            pixels.
        min_size: Least pixels of a region.

    Returns:
        Labels, (H, W) int32, counted from 0 in raster order of their first
        pixel.
    """
    height, width = rgb.shape[:2]
    costs = edge_costs(rgb, sigma)
    order, ends = _sort_into_buckets(costs)
    steps = np.array([1, width, width + 1, width - 1])
    parents = _merge(costs, order, ends, steps, scale / 255.0, min_size)
    return _label(parents).reshape(height, width)


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
        Within a bucket edges are by direction, then by pixel: the order of
        scikit-image's edge list, which a stable sort keeps.
    """
    _, height, width = costs.shape
    buckets = _buckets(costs)
    place = np.zeros(int(buckets.max()) + 2, np.int64)
    for d in range(DIRECTIONS):
        rows, first, last = _edge_range(d, height, width)
        for y in range(rows):
            for x in range(first, last):
                place[buckets[d, y, x] + 1] += 1
    place = np.cumsum(place)
    order = np.empty(place[-1], np.int32)
    for d in range(DIRECTIONS):
        rows, first, last = _edge_range(d, height, width)
        for y in range(rows):
            for x in range(first, last):
                bucket = buckets[d, y, x]
                order[place[bucket]] = (y * width + x) * DIRECTIONS + d
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

    Looks up three ancestors without branching. This takes most of the time,
    because most edges are within a region when they are reached.
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
def _unite(parents: np.ndarray, sizes: np.ndarray, a: int, b: int) -> int:
    """Put the smaller of two regions under the larger; return its root."""
    root, child = (a, b) if sizes[a] >= sizes[b] else (b, a)
    parents[child] = root
    sizes[root] += sizes[child]
    return root


@njit(cache=True)
def _merge_run(
    edges: np.ndarray,
    costs: np.ndarray,
    steps: np.ndarray,
    scale: float,
    parents: np.ndarray,
    sizes: np.ndarray,
    limits: np.ndarray,
    refused: np.ndarray,
) -> int:
    """Join regions along edges in order of cost.

    Regions join where the edge costs less than either one's limit, that is
    its costliest inner edge + scale / size, a float32 as in scikit-image.

    Returns:
        The number of edges between regions that were refused; they are copied.
    """
    n_refused = 0
    for edge in edges:
        pixel = edge >> 2
        a = _find(parents, pixel)
        b = _find(parents, pixel + steps[edge & 3])
        if a == b:
            continue
        cost = costs[(edge & 3) * len(parents) + pixel]
        if cost < min(limits[a], limits[b]):
            root = _unite(parents, sizes, a, b)
            limits[root] = np.float32(cost) + scale / sizes[root]
        else:
            refused[n_refused] = edge
            n_refused += 1
    return n_refused


@njit(cache=True)
def _merge_small(
    edges: np.ndarray,
    steps: np.ndarray,
    min_size: int,
    parents: np.ndarray,
    sizes: np.ndarray,
) -> None:
    """Join regions below ``min_size`` along edges in order of cost."""
    for edge in edges:
        pixel = edge >> 2
        a = _find(parents, pixel)
        b = _find(parents, pixel + steps[edge & 3])
        if a != b and min(sizes[a], sizes[b]) < min_size:
            _unite(parents, sizes, a, b)


@njit(cache=True)
def _merge(
    costs: np.ndarray,
    order: np.ndarray,
    ends: np.ndarray,
    steps: np.ndarray,
    scale: float,
    min_size: int,
) -> np.ndarray:
    """Join pixels along all edges in order of cost: (P,) parents.

    Edges are sorted bucket by bucket, only those still between regions.
    """
    flat = costs.reshape(-1)
    pixels = len(flat) // DIRECTIONS
    parents = np.arange(pixels).astype(np.int32)
    sizes = np.ones(pixels, np.int32)
    limits = np.full(pixels, scale, np.float32)
    refused = np.empty(len(order), np.int32)
    starts = np.concatenate((np.zeros(1, np.int64), ends[:-1]))
    widest = (ends - starts).max()
    run, sorted_run = np.empty((2, widest), np.int32)
    keys = np.empty(widest)
    n_refused = 0
    for start, end in zip(starts, ends):  # noqa: B905 (numba)
        n = _select_open(order[start:end], parents, steps, run)
        for i in range(n):
            keys[i] = flat[(run[i] & 3) * pixels + (run[i] >> 2)]
        _sort_edges(run[:n], keys[:n], sorted_run[:n])
        n_refused += _merge_run(
            sorted_run[:n],
            flat,
            steps,
            scale,
            parents,
            sizes,
            limits,
            refused[n_refused:],
        )
    _merge_small(refused[:n_refused], steps, min_size, parents, sizes)
    return parents


@njit(cache=True)
def _label(parents: np.ndarray) -> np.ndarray:
    """Count the roots in raster order of their first pixel: (P,) int32."""
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
