"""What travels from the pipeline to the model."""

from .photometric import PhotometricBatch, PhotometricParams
from .view_pairs import RoISet, ViewPair, parse_pairs, roi_sets

__all__ = [
    'PhotometricBatch',
    'PhotometricParams',
    'RoISet',
    'ViewPair',
    'parse_pairs',
    'roi_sets',
]
