import itertools

import numpy as np
import pytest

from mmsoco.structures.boxes import box_iou


def test_iou_equals_that_of_drawn_pixels():
    rng = np.random.default_rng(0)
    corners = rng.integers(0, 12, (8, 2, 2))
    low = corners.min(axis=1)
    boxes = np.concatenate([low, low + rng.integers(1, 8, (8, 2))], axis=1)
    masks = np.zeros((8, 24, 24), bool)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes, strict=True):
        mask[y1:y2, x1:x2] = True
    overlaps = box_iou(boxes[:5], boxes[5:])
    for i, j in itertools.product(range(5), range(3)):
        shared = (masks[i] & masks[5 + j]).sum()
        union = (masks[i] | masks[5 + j]).sum()
        assert overlaps[i, j] == pytest.approx(shared / union)


def test_no_boxes_and_empty_boxes():
    some = np.array([[0, 0, 4, 4]])
    none = np.empty((0, 4))
    assert box_iou(some, none).shape == (1, 0)
    assert box_iou(none, some).shape == (0, 1)
    point = np.array([[2, 2, 2, 2]])
    assert box_iou(point, point).tolist() == [[0.0]]
