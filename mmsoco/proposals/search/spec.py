"""Parameters of selective search, importable without the kernels."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class SearchSpec:
    """Parameters of the initial segmentation; the defaults are the paper's.

    Attributes:
        scale: How readily regions grow; larger makes fewer.
        sigma: Standard deviation of the Gaussian that smooths the image first,
            pixels.
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
