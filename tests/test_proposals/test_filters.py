import numpy as np
import pytest

from mmsoco.proposals.filters import (
    FilterSpec,
    aspect_mask,
    filter_regions,
    scale_mask,
    size_mask,
)

NO_BOXES = np.zeros((0, 4))


def box(width, height, x=3, y=5):
    return [x, y, x + width, y + height]


@pytest.mark.parametrize(
    'width, height, kept',
    [(32, 32, True), (31, 99, False), (99, 31, False), (0, 0, False)],
)
def test_size_is_inclusive(width, height, kept):
    mask = size_mask(np.array([box(width, height)]), FilterSpec())
    assert mask.tolist() == [kept]


@pytest.mark.parametrize(
    'width, height, kept',
    [
        (33, 99, True),
        (33, 100, False),
        (99, 33, True),
        (100, 33, False),
        (64, 64, True),
        (5, 0, False),
        (0, 0, False),
        (0, 5, False),
    ],
)
def test_aspect_is_inclusive(width, height, kept):
    mask = aspect_mask(np.array([box(width, height)]), FilterSpec())
    assert mask.tolist() == [kept]


@pytest.mark.parametrize(
    'width, height, kept',
    [
        (30, 30, True),
        (80, 80, True),
        (20, 45, True),  # 20 * 45 = 30 * 30
        (29, 30, False),
        (80, 81, False),
    ],
)
def test_scale_is_inclusive(width, height, kept):
    # A 200 x 50 image has a root area of 100.
    mask = scale_mask(np.array([box(width, height)]), 50, 200, FilterSpec())
    assert mask.tolist() == [kept]


@pytest.mark.parametrize(
    'bboxes, kept, fallback',
    [
        ([box(40, 40), box(50, 40), box(40, 40), box(9, 9)], [0, 1, 2], 0),
        ([box(90, 90), box(33, 100), box(9, 9)], [0], 1),
        ([box(33, 100), box(9, 9)], [0], 2),
        ([box(9, 9)], [], 3),
        ([], [], 3),
    ],
)
def test_fallbacks(bboxes, kept, fallback):
    bboxes = np.array(bboxes, dtype=np.float32).reshape(-1, 4)
    found = filter_regions(bboxes, 100, 100, FilterSpec())
    assert found.fallback == fallback
    np.testing.assert_array_equal(found.bboxes, bboxes[kept])


def test_large_images_do_not_overflow():
    bboxes = np.array([[0, 0, 30000, 30000]], dtype=np.uint16)
    found = filter_regions(bboxes, 65535, 65535, FilterSpec())
    assert found.fallback == 0


def test_golden_filtered_lists(golden_photos):
    for photo in golden_photos.values():
        xywh = np.array(photo['regions_xywh'])
        xyxy = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], 1)
        size = photo['height'], photo['width']
        for name, spec in {
            'ratio3size0308': FilterSpec(),
            'ratio3': FilterSpec(min_scale=0, max_scale=9),
            'none': FilterSpec(
                min_ratio=1e-9, max_ratio=1e9, min_scale=0, max_scale=9
            ),
        }.items():
            bboxes = filter_regions(xyxy, *size, spec).bboxes
            bboxes[:, 2:] -= bboxes[:, :2]
            assert bboxes.tolist() == photo[f'{name}_xywh']


@pytest.mark.parametrize(
    'limits, text',
    [
        (dict(min_size=0), 'min_size must be 1'),
        (dict(min_size=100000), 'min_size must be 1 to 65535'),
        (dict(min_scale=1.5, max_scale=2), 'min_scale <= 1'),
        (dict(min_ratio=0), '0 < min_ratio'),
        (dict(min_ratio=2, max_ratio=1), 'got 2 and 1'),
        (dict(min_scale=0.9), 'got 0.9 and 0.8'),
        (dict(min_scale=-1), 'min_scale <= max_scale'),
        (dict(max_scale=float('nan')), 'finite'),
    ],
)
def test_spec_refuses_nonsense(limits, text):
    with pytest.raises(ValueError, match=text):
        FilterSpec(**limits)
