"""Selective search once more, from scikit-image, numpy and plain loops.

A second route, slow and short, that shares no arithmetic with the kernels:
a dictionary instead of a heap, real HSV histograms, pixel masks.
"""

import itertools
import warnings

import numpy as np
from skimage.color import rgb2hsv
from skimage.feature import local_binary_pattern
from skimage.segmentation import felzenszwalb
from skimage.util import img_as_float


def plain_labels(rgb):
    return felzenszwalb(img_as_float(rgb), 300, 0.9, 100)


def plain_regions(rgb, labels):
    """Return boxes (N, 4) as x, y, max_x, max_y and sizes (N,)."""
    size = labels.size
    features = pixel_features(rgb)
    regions = [
        describe(features, labels == i) for i in range(labels.max() + 1)
    ]
    pairs = {
        (a, b): similarity(regions[a], regions[b], size)
        for a, b in itertools.combinations(range(len(regions)), 2)
        if has_corner_inside(regions[a]['box'], regions[b]['box'])
    }
    while pairs:
        # max() takes the first of equals, so look from the end.
        best = max(reversed(pairs), key=pairs.get)
        new = len(regions)
        regions.append(unite(regions[best[0]], regions[best[1]]))
        gone = [pair for pair in pairs if set(pair) & set(best)]
        for pair in gone:
            del pairs[pair]
        for pair in gone:
            for other in set(pair) - set(best):
                pairs.setdefault(
                    (new, other),
                    similarity(regions[new], regions[other], size),
                )
    return (
        np.array([r['box'] for r in regions]),
        np.array([r['size'] for r in regions]),
    )


def pixel_features(rgb):
    """Return HSV, with V in 0..255, and patterns, each (H, W, 3)."""
    with np.errstate(all='ignore'):
        hsv = rgb2hsv(rgb.astype(float))
    channels = rgb.astype(float).transpose(2, 0, 1)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        patterns = [local_binary_pattern(c, 8, 1) for c in channels]
    return hsv, np.stack(patterns, axis=-1)


def describe(features, mask):
    rows, columns = np.nonzero(mask)
    hsv, patterns = features
    return {
        'box': (columns.min(), rows.min(), columns.max(), rows.max()),
        'size': len(rows),
        'color': _histogram(hsv[mask], 25),
        'texture': _histogram(patterns[mask], 10),
    }


def _histogram(values, bins):
    return np.concatenate(
        [np.histogram(v, bins, (0.0, 255.0))[0] for v in values.T]
    ) / len(values)


def similarity(a, b, image_size):
    left, top = np.minimum(a['box'], b['box'])[:2]
    right, bottom = np.maximum(a['box'], b['box'])[2:]
    both = a['size'] + b['size']
    area = int(right - left) * int(bottom - top)
    return (
        _sum_in_order(np.minimum(a['color'], b['color']))
        + _sum_in_order(np.minimum(a['texture'], b['texture']))
        + (1.0 - both / image_size)
        + (1.0 - (area - both) / image_size)
    )


def _sum_in_order(values):
    """Add one by one: since Python 3.12, sum() corrects what it rounds."""
    return list(itertools.accumulate(values.tolist()))[-1]


def unite(a, b):
    size = a['size'] + b['size']
    return {
        'box': (
            *np.minimum(a['box'], b['box'])[:2],
            *np.maximum(a['box'], b['box'])[2:],
        ),
        'size': size,
        **{
            name: (a[name] * a['size'] + b[name] * b['size']) / size
            for name in ('color', 'texture')
        },
    }


def has_corner_inside(earlier, later):
    return any(
        earlier[0] < x < earlier[2] and earlier[1] < y < earlier[3]
        for x in (later[0], later[2])
        for y in (later[1], later[3])
    )
