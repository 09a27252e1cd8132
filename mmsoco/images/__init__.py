"""Find and read pictures: the one reader of proposals and training.

This room imports neither torch nor any OpenMMLab package.
"""
