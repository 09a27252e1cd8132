"""Boxes by plain arithmetic, for comparison with the library's."""

import numpy as np

from mmsoco.datasets.transforms.geometry import CropParams


def affine(crop: CropParams) -> np.ndarray:
    """The 3 x 3 matrix from picture to view: shift, scale, mirror."""
    height, width = crop.size
    shift = np.array([[1, 0, -crop.x], [0, 1, -crop.y], [0, 0, 1.0]])
    scale = np.diag([width / crop.w, height / crop.h, 1.0])
    mirror = np.array([[-1, 0, width], [0, 1, 0], [0, 0, 1.0]])
    return (mirror if crop.flip else np.eye(3)) @ scale @ shift


def iou(a, b):
    """The overlap of two boxes, in Python's own numbers."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    areas = [(x[2] - x[0]) * (x[3] - x[1]) for x in (a, b)]
    return shared / (sum(areas) - shared)
