"""How much memory the search of an image takes, and may take."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from mmsoco.utils.machine import available_memory

# Measured: 75 bytes on photographs to 141 on noise, the decoded image
# included.
SEARCH_BYTES_PER_PIXEL = 141
# Of decoding, before the image is made smaller: the decoder's copy in
# RGBA, the upright one and the array.
DECODING_BYTES_PER_PIXEL = 12
# Of the available memory: other programs grow too.
_SHARE = 0.8
_MIB = 2**20


@dataclass(frozen=True)
class MemoryLimit:
    """What one worker may take for one image.

    Attributes:
        mib: MiB.
        shrink: Whether larger images are searched at a smaller size. If not,
            they are left out.

    Raises:
        ValueError: If the limit is not positive.
    """

    mib: float
    shrink: bool = False

    def __post_init__(self) -> None:
        """Check the limit."""
        if not 0 < self.mib < float('inf'):
            raise ValueError(
                f'the memory of a worker must be above 0 MiB, got {self.mib}'
            )

    def zoom(self, height: int, width: int) -> float:
        """Return the factor that an image is resized by for its search.

        Args:
            height: The image's, pixels.
            width: The image's, pixels.

        Returns:
            1 if the whole image fits; 0 if it cannot be searched.
        """
        if needed_mib(height, width) <= self.mib:
            return 1.0
        pixels = height * width
        left = self.mib * _MIB - DECODING_BYTES_PER_PIXEL * pixels
        if not self.shrink or left <= 0:
            return 0.0
        return min((left / (SEARCH_BYTES_PER_PIXEL * pixels)) ** 0.5, 1.0)


def needed_mib(height: int, width: int) -> float:
    """Estimate from above the memory for the search of an image, MiB."""
    return height * width * SEARCH_BYTES_PER_PIXEL / _MIB


def share_of_machine(workers: int, shrink: bool = False) -> MemoryLimit:
    """Divide the memory that is available among workers."""
    available = available_memory()
    if available is None:
        available = 2**40
    mib = max(available * _SHARE / workers / _MIB, 1.0)
    return MemoryLimit(mib, shrink)


def shrink_image(rgb: np.ndarray, zoom: float) -> np.ndarray:
    """Make an image smaller: (H, W, 3) uint8 to at least one pixel."""
    height, width = (max(round(side * zoom), 1) for side in rgb.shape[:2])
    small = Image.fromarray(rgb).resize((width, height), Image.Resampling.BOX)
    return np.array(small)


def enlarge_bboxes(
    bboxes: np.ndarray, small: tuple[int, int], full: tuple[int, int]
) -> np.ndarray:
    """Bring boxes of a smaller image to the full one.

    Args:
        bboxes: (N, 4) xyxy in the smaller image's pixels.
        small: Its (height, width).
        full: The full image's (height, width).

    Returns:
        (N, 4) whole pixels within the full image; boxes grow to them.
    """
    scale = np.array([full[1] / small[1], full[0] / small[0]] * 2)
    scaled = bboxes * scale
    grown = np.concatenate(
        [np.floor(scaled[:, :2]), np.ceil(scaled[:, 2:])], axis=1
    )
    limits = np.array([full[1], full[0]] * 2)
    return np.clip(grown, 0, limits).astype(bboxes.dtype)
