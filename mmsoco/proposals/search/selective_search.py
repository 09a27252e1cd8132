"""Selective search: an image's candidate regions, without any learning.

Uijlings et al., IJCV 2013, with the single strategy of the published SoCo
code: Felzenszwalb segmentation of the RGB image, then grouping by colour,
texture, size and fill. All kernels run on one thread; they are compiled on
first use and cached on disk.
"""

from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np

from mmsoco.proposals.search.grouping import group_regions
from mmsoco.proposals.search.segmentation import felzenszwalb
from mmsoco.proposals.search.texture import local_binary_patterns


@dataclass(frozen=True)
class SearchSpec:
    """Parameters of the initial segmentation; the defaults are the paper's.

    Attributes:
        scale: How readily regions grow; larger makes fewer.
        sigma: Of the Gaussian that smooths the image first, pixels.
        min_region_size: Least pixels of an initial region.

    Raises:
        ValueError: If a parameter is out of its range.
    """

    scale: float = 300.0
    sigma: float = 0.9
    min_region_size: int = 100

    def __post_init__(self) -> None:
        """Check the parameters."""
        if not 0 < self.scale < float('inf'):
            raise ValueError(f'scale must be above 0, got {self.scale}')
        if not 0 < self.sigma <= 100:
            raise ValueError(f'sigma must be in (0, 100], got {self.sigma}')
        if not 0 <= self.min_region_size < 2**31:
            raise ValueError(
                'min_region_size must be 0 or more pixels, got '
                f'{self.min_region_size}'
            )

    def as_dict(self) -> dict[str, float]:
        """Return the parameters by name, for a store's metadata."""
        return asdict(self)


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
