"""Hierarchical grouping of selective search as compiled kernels.

Selective Search for Object Recognition, Uijlings et al., IJCV 2013, as in the
published code of SoCo: one strategy, similarities of color, texture, size and
fill with equal weights.

Letters: n initial regions; N regions, initial and merged. A region's box is
(min x, min y, max x, max y) of its pixels' indices, so its sides are max - min
without + 1. Sums are sequential in float64, in the order of the formula:
``fastmath`` or fused multiply-adds could flip a merge.
"""

from heapq import heappop, heappush

import numpy as np
from numba import njit

VALUE_BINS = 25
TEXTURE_BINS = 10
_CHANNELS = 3


def _histogram_bins(count: int) -> np.ndarray:
    """Bin of each byte in ``numpy.histogram(_, count, (0, 255))``: (256,)."""
    edges = np.linspace(0, 255, count + 1)
    bins = np.searchsorted(edges, np.arange(256), side='right') - 1
    return np.minimum(bins, count - 1)


_VALUE_BIN = _histogram_bins(VALUE_BINS)
_TEXTURE_BIN = _histogram_bins(TEXTURE_BINS)


def group_regions(
    labels: np.ndarray, rgb: np.ndarray, patterns: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Merge the most similar neighbors until no neighbors are left.

    Args:
        labels: Initial regions, (H, W) of 0 to n - 1 in raster order of
            their first pixel.
        rgb: (H, W, 3) uint8.
        patterns: Local binary patterns of the channels, (3, H, W) uint8.

    Returns:
        Boxes (N, 4) int32 xyxy and sizes (N,) int64 in pixels, of all
        regions in order of creation; duplicates stay.
    """
    count = int(labels.max()) + 1
    sizes, boxes, value, texture = _describe(
        labels, rgb, patterns, count, _VALUE_BIN, _TEXTURE_BIN
    )
    total = _merge_all(sizes, boxes, value, texture, count, labels.size)
    return boxes[:total], sizes[:total]


@njit(cache=True)
def _describe(
    labels: np.ndarray,
    rgb: np.ndarray,
    patterns: np.ndarray,
    count: int,
    value_bin: np.ndarray,
    texture_bin: np.ndarray,
) -> tuple:
    """Measure the initial regions in one pass over the image.

    Histograms are divided by the region's size. Of the published HSV
    histograms only that of the value (the brightest channel) is kept: hue and
    saturation lie in 0 to 1 but are binned over 0 to 255, so both always fall
    into their first bin.

    Returns:
        Sizes, boxes, value and texture histograms, with room for the
        ``count - 1`` regions that merging can add.
    """
    height, width = labels.shape
    room = 2 * count - 1
    sizes = np.zeros(room, np.int64)
    boxes = np.zeros((room, 4), np.int32)
    value = np.zeros((room, VALUE_BINS))
    texture = np.zeros((room, _CHANNELS * TEXTURE_BINS))
    for y in range(height):
        for x in range(width):
            region = labels[y, x]
            if sizes[region] == 0:
                boxes[region] = (x, y, x, y)
            sizes[region] += 1
            box = boxes[region]
            box[0] = min(box[0], x)
            box[2] = max(box[2], x)
            box[3] = y
            brightest = max(rgb[y, x, 0], rgb[y, x, 1], rgb[y, x, 2])
            value[region, value_bin[brightest]] += 1
            for c in range(_CHANNELS):
                bin_ = texture_bin[patterns[c, y, x]] + c * TEXTURE_BINS
                texture[region, bin_] += 1
    for region in range(count):
        value[region] /= sizes[region]
        texture[region] /= sizes[region]
    return sizes, boxes, value, texture


@njit(cache=True)
def _similarity(
    a: int,
    b: int,
    sizes: np.ndarray,
    boxes: np.ndarray,
    value: np.ndarray,
    texture: np.ndarray,
    image_size: int,
) -> float:
    """Color + texture + size + fill similarity of two regions."""
    # Hue and saturation: each all in one bin, so each adds exactly 1.
    color = 2.0
    for i in range(value.shape[1]):
        color += min(value[a, i], value[b, i])
    textures = 0.0
    for i in range(texture.shape[1]):
        textures += min(texture[a, i], texture[b, i])
    both = sizes[a] + sizes[b]
    right = max(boxes[a, 2], boxes[b, 2])
    bottom = max(boxes[a, 3], boxes[b, 3])
    area = np.int64(right - min(boxes[a, 0], boxes[b, 0])) * np.int64(
        bottom - min(boxes[a, 1], boxes[b, 1])
    )
    size = 1.0 - both / image_size
    fill = 1.0 - (area - both) / image_size
    return color + textures + size + fill


@njit(cache=True)
def _are_neighbours(earlier: np.ndarray, later: np.ndarray) -> bool:
    """Return whether a corner of the later box is strictly inside the earlier.

    As in the published code, this is tested in one direction only: boxes that
    cross without a corner inside, or an earlier box inside a later one, do not
    count.
    """
    left, top, right, bottom = earlier
    x = left < later[0] < right or left < later[2] < right
    y = top < later[1] < bottom or top < later[3] < bottom
    return x and y


@njit(cache=True)
def _unite(
    a: int,
    b: int,
    new: int,
    sizes: np.ndarray,
    boxes: np.ndarray,
    value: np.ndarray,
    texture: np.ndarray,
) -> None:
    """Describe the union of two regions; histograms are weighted means."""
    sizes[new] = sizes[a] + sizes[b]
    boxes[new, :2] = np.minimum(boxes[a, :2], boxes[b, :2])
    boxes[new, 2:] = np.maximum(boxes[a, 2:], boxes[b, 2:])
    for table in (value, texture):
        for i in range(table.shape[1]):
            weighted = table[a, i] * sizes[a] + table[b, i] * sizes[b]
            table[new, i] = weighted / sizes[new]


@njit(cache=True)
def _insert(
    a: int,
    b: int,
    regions: tuple,
    image_size: int,
    queue: tuple,
    ends: np.ndarray,
) -> None:
    """Add a pair behind the earlier pairs of both regions.

    Args:
        a: The pair's first region.
        b: The pair's second region.
        regions: Sizes, boxes, value and texture histograms.
        image_size: The image's pixels.
        queue: A heap of (-similarity, -pair), so that the last of equals
            comes first; (a, b) of each pair, in order of insertion; and for
            pair p as ``2 * p`` the next link of its first region and as
            ``2 * p + 1`` of its second, -1 at the end.
        ends: (N, 2) first and last link of each region, -1 without.
    """
    heap, pairs, links = queue
    heappush(heap, (-_similarity(a, b, *regions, image_size), -len(pairs)))
    pairs.append((a, b))
    for region in (a, b):
        link = len(links)
        links.append(-1)
        if ends[region, 0] < 0:
            ends[region, 0] = link
        else:
            links[ends[region, 1]] = link
        ends[region, 1] = link


@njit(cache=True)
def _partners(
    a: int,
    b: int,
    pairs: list,
    links: list,
    ends: np.ndarray,
    alive: np.ndarray,
) -> list:
    """List the live neighbors of two regions in order of their pairs.

    A neighbor of both keeps its first place.
    """
    found = [0 for _ in range(0)]
    at_a, at_b = ends[a, 0], ends[b, 0]
    seen = set([a, b])
    while at_a >= 0 or at_b >= 0:
        if at_b < 0 or 0 <= at_a < at_b:
            link, at_a = at_a, links[at_a]
        else:
            link, at_b = at_b, links[at_b]
        first, second = pairs[link >> 1]
        other = first if link & 1 else second
        if alive[other] and other not in seen:
            seen.add(other)
            found.append(other)
    return found


@njit(cache=True)
def _merge_all(
    sizes: np.ndarray,
    boxes: np.ndarray,
    value: np.ndarray,
    texture: np.ndarray,
    count: int,
    image_size: int,
) -> int:
    """Merge in place until no pair is left; return the number of regions.

    The most similar pair is merged first, and of equal ones the last inserted.
    Pairs with a merged region stay in the heap until they reach the top.
    """
    room = len(sizes)
    regions = (sizes, boxes, value, texture)
    alive = np.zeros(room, np.bool_)
    alive[:count] = True
    ends = np.full((room, 2), -1)
    # Empty lists whose type the compiler can infer.
    heap = [(0.0, 0) for _ in range(0)]
    pairs = [(0, 0) for _ in range(0)]
    links = [0 for _ in range(0)]
    queue = (heap, pairs, links)
    for a in range(count):
        for b in range(a + 1, count):
            if _are_neighbours(boxes[a], boxes[b]):
                _insert(a, b, regions, image_size, queue, ends)
    new = count
    while heap:
        a, b = pairs[-heappop(heap)[1]]
        if not (alive[a] and alive[b]):
            continue
        _unite(a, b, new, *regions)
        for other in _partners(a, b, pairs, links, ends, alive):
            _insert(new, other, regions, image_size, queue, ends)
        alive[a] = alive[b] = False
        alive[new] = True
        new += 1
    return new
