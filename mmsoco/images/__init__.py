"""Find and read pictures, for proposals and training alike.

This package imports neither torch nor any OpenMMLab package.
"""
