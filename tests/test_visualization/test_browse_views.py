"""The level in a picture is the one that training pools from."""

import numpy as np
import pytest
import tiny_models
from mmengine.registry import DefaultScope

from mmsoco.models import ObjectEncoder
from mmsoco.visualization.browse import spread
from mmsoco.visualization.browse_views import level_names


def names_of(detector, finest_scale=24):
    with DefaultScope.overwrite_default_scope('mmsoco'):
        return level_names(ObjectEncoder(detector, 'assigned', finest_scale))


def boxes(*sides):
    """Squares at an odd place, xyxy."""
    return np.array([[5, 7, 5 + s, 7 + s] for s in sides], np.float32)


SIDES = (1, 47, 48, 95, 96, 191, 192, 2000)


def test_levels_at_each_threshold_of_the_paper():
    """Section 3.3: they change at sqrt(area) = 48, 96 and 192 pixels."""
    names = names_of(tiny_models.mask_rcnn_fpn())(boxes(*SIDES))
    assert names == ['P2', 'P2', 'P3', 'P3', 'P4', 'P4', 'P5', 'P5']


def test_levels_follow_the_finest_scale():
    names = names_of(tiny_models.mask_rcnn_fpn(), 48)(boxes(*SIDES))
    assert names == ['P2', 'P2', 'P2', 'P2', 'P3', 'P3', 'P4', 'P5']


@pytest.mark.parametrize('detector', ['retinanet', 'fcos'])
def test_pyramids_that_begin_at_stride_8(detector):
    names = names_of(getattr(tiny_models, detector)())(boxes(*SIDES))
    assert names == ['P3', 'P3', 'P4', 'P4', 'P5', 'P5', 'P6', 'P7']


def test_backbone_without_a_neck_has_one_level():
    names = names_of(tiny_models.mask_rcnn_c4())(boxes(*SIDES))
    assert names == ['C4'] * len(SIDES)


def test_levels_go_by_area():
    bboxes = np.array([[0, 0, 24, 96], [0, 0, 24, 95]], np.float32)
    names = names_of(tiny_models.mask_rcnn_fpn())(bboxes)
    assert names == ['P3', 'P2']


@pytest.mark.parametrize(
    ('count', 'number', 'expected'),
    [(0, 3, []), (1, 3, [0]), (3, 3, [0, 1, 2]), (9, 3, [0, 4, 8])],
)
def test_spread(count, number, expected):
    assert spread(count, number) == expected
