"""Data structures that the pipeline passes to the model."""

from .input_convention import InputConvention
from .photometric import PhotometricBatch, PhotometricParams
from .view_pairs import (
    RoISet,
    ViewPair,
    describe_sets,
    parse_pairs,
    roi_sets,
)

__all__ = [
    'InputConvention',
    'PhotometricBatch',
    'PhotometricParams',
    'RoISet',
    'ViewPair',
    'describe_sets',
    'parse_pairs',
    'roi_sets',
]
