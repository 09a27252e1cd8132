"""The LARS optimizer and mixed precision."""

from .lars import LARS
from .mixed_precision import MixedPrecisionOptimWrapper

__all__ = ['LARS', 'MixedPrecisionOptimWrapper']
