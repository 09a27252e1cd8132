import numpy as np
import pytest

from mmsoco.proposals.filters import (
    FilterSpec,
    aspect_mask,
    filter_regions,
    scale_mask,
    size_mask,
)


def box(width, height, x=3, y=5):
    return [x, y, x + width, y + height]


def scale_in_image(bboxes, spec):
    """In an image of 200 x 50, whose root area is 100."""
    return scale_mask(bboxes, 50, 200, spec)


@pytest.mark.parametrize(
    'mask_of, kept, dropped',
    [
        (size_mask, [(32, 32)], [(31, 99), (99, 31), (0, 0)]),
        (
            aspect_mask,
            [(33, 99), (99, 33), (64, 64)],
            [(33, 100), (100, 33), (5, 0), (0, 0), (0, 5)],
        ),
        # 20 * 45 = 30 * 30
        (scale_in_image, [(30, 30), (80, 80), (20, 45)], [(29, 30), (80, 81)]),
    ],
)
def test_limits_are_inclusive(mask_of, kept, dropped):
    bboxes = np.array([box(*sides) for sides in kept + dropped])
    expected = [True] * len(kept) + [False] * len(dropped)
    assert mask_of(bboxes, FilterSpec()).tolist() == expected


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
