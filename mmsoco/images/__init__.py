"""Find and read pictures, for proposals and training alike.

This room imports neither torch nor any OpenMMLab package.
"""
