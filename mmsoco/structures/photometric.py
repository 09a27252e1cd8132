"""Changes to the colors of one view, and their form in a batch."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from torch import Tensor

# The threshold of a view that is not solarized: no uint8 pixel reaches it.
NEVER = 256


@dataclass(frozen=True)
class PhotometricParams:
    """What is done to the colors of one view.

    Attributes:
        order: (4,) order of the color operations: 0 brightness, 1 contrast,
            2 saturation, 3 hue.
        brightness: Factor of the pixels; 1 keeps them.
        contrast: Factor of the distance to the mean gray; 1 keeps them.
        saturation: Factor of the distance to each pixel's gray; 1 keeps them.
        hue: Shift of the hue in turns of the color circle; 0 keeps it.
        gray: Whether the view loses its colors.
        sigma: Standard deviation of the blur in pixels; 0 for none.
        solarize: Whether bright pixels are inverted.
    """

    order: np.ndarray
    brightness: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0
    hue: float = 0.0
    gray: bool = False
    sigma: float = 0.0
    solarize: bool = False

    def pack(self, solarize_threshold: int) -> np.ndarray:
        """Return the numbers as a row, in the order of `PhotometricBatch`.

        Args:
            solarize_threshold: Gray level from which pixels are inverted,
                where the view is solarized.

        Returns:
            (11,) float32.
        """
        threshold = solarize_threshold if self.solarize else NEVER
        numbers = (
            *self.order,
            self.brightness,
            self.contrast,
            self.saturation,
            self.hue,
            self.gray,
            self.sigma,
            threshold,
        )
        return np.array(numbers, np.float32)


class PhotometricBatch(NamedTuple):
    """The numbers of one view for each sample of a batch; see above.

    Attributes:
        order: (B, 4).
        factors: (B, 3) of brightness, contrast and saturation.
        hue: (B,).
        gray: (B,) 0 or 1.
        sigma: (B,).
        threshold: (B,) gray level from which pixels are inverted; `NEVER`
            without solarization.
    """

    order: Tensor
    factors: Tensor
    hue: Tensor
    gray: Tensor
    sigma: Tensor
    threshold: Tensor

    @classmethod
    def unpack(cls, rows: Tensor) -> 'PhotometricBatch':
        """Read rows of `PhotometricParams.pack`.

        Args:
            rows: (B, 11) float32.
        """
        return cls(rows[:, :4].long(), rows[:, 4:7], *rows[:, 7:].unbind(1))
