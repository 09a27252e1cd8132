"""What travels from the pipeline to the model."""

from .view_pairs import RoISet, ViewPair, parse_pairs, roi_sets

__all__ = ['RoISet', 'ViewPair', 'parse_pairs', 'roi_sets']
