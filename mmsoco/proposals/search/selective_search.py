"""Selective search: an image's candidate regions, without any learning.

Uijlings et al., IJCV 2013, with the single strategy of the published SoCo
code: Felzenszwalb segmentation of the RGB image, then grouping by color,
texture, size and fill. All kernels run on one thread; they are compiled on
first use and cached on disk.
"""

from typing import NamedTuple

import numpy as np

from mmsoco.proposals.search.grouping import group_regions
from mmsoco.proposals.search.segmentation import felzenszwalb
from mmsoco.proposals.search.spec import SearchSpec
from mmsoco.proposals.search.texture import local_binary_patterns


class Regions(NamedTuple):
    """Regions of one image in order of creation.

    Attributes:
        bboxes: (N, 4) int32 xyxy. As in the published code x2 and y2 are the
            last pixel's index, so a box is one pixel short; duplicates stay.
        sizes: (N,) int64, pixels.
    """

    bboxes: np.ndarray
    sizes: np.ndarray


def selective_search(
    rgb: np.ndarray, spec: SearchSpec | None = None
) -> Regions:
    """Find the regions of an image, initial ones first.

    Args:
        rgb: (H, W, 3) uint8.
        spec: Parameters; the paper's if not given.

    Returns:
        One region or more.

    Raises:
        ValueError: If ``rgb`` has another shape or type.
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
        raise ValueError(
            f'expected (H, W, 3) uint8 pixels, got {rgb.shape} {rgb.dtype}'
        )
    if rgb.size == 0:
        raise ValueError(f'expected one pixel or more, got shape {rgb.shape}')
    spec = spec or SearchSpec()
    rgb = np.ascontiguousarray(rgb)
    labels = felzenszwalb(rgb, spec.scale, spec.sigma, spec.min_region_size)
    return Regions(*group_regions(labels, rgb, local_binary_patterns(rgb)))
