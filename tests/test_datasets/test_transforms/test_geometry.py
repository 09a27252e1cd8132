import numpy as np
import pytest
from PIL import Image
from plain_boxes import affine
from proposal_samples import GOLDEN, load_photo

from mmsoco.datasets.transforms.geometry import (
    CropParams,
    central_crop,
    crop_bboxes,
    crop_image,
    draw_crop,
    jitter_bboxes,
    overlaps,
    resize_image,
)

CROP = CropParams(x=10, y=20, w=80, h=40, size=(112, 224))
DEGENERATE = [
    [50, 30, 50, 50],  # no width
    [50, 30, 50, 30],  # a point
    [60, 50, 40, 30],  # swapped corners
]


def map_corners(bbox: np.ndarray, crop: CropParams) -> list[float]:
    x1, y1, x2, y2 = bbox
    corners = np.array([[x1, y1, 1], [x2, y1, 1], [x1, y2, 1], [x2, y2, 1]])
    x, y, _ = affine(crop) @ corners.T
    return [x.min(), y.min(), x.max(), y.max()]


@pytest.mark.parametrize('flip', [False, True])
def test_boxes_follow_the_affine_matrix(flip):
    rng = np.random.default_rng(1)
    for _ in range(50):
        x, y = rng.integers(0, 50, 2)
        w, h = rng.integers(1, 400, 2)
        crop = CropParams(x, y, w, h, size=(112, 224), flip=flip)
        inner = rng.random((5, 2, 2)) * [w, h] + [x, y]
        bboxes = np.hstack([inner.min(1), inner.max(1)])
        expected = [map_corners(bbox, crop) for bbox in bboxes]
        np.testing.assert_allclose(
            crop_bboxes(bboxes, crop), expected, atol=1e-4
        )


@pytest.mark.parametrize(
    'bbox, expected',
    [
        ([10, 20, 90, 60], [0, 0, 224, 112]),  # the crop itself
        ([0, 0, 500, 500], [0, 0, 224, 112]),  # around it
        ([0, 0, 10, 20], [0, 0, 0, 0]),  # touches its corner
        ([90, 60, 99, 99], [224, 112, 224, 112]),  # beyond the other one
        ([0, 30, 50, 99], [0, 28, 112, 112]),  # cut on two sides
    ],
)
def test_boxes_are_clipped_to_the_view(bbox, expected):
    np.testing.assert_allclose(
        crop_bboxes(np.array([bbox]), CROP), [expected], atol=1e-5
    )


def test_mirrored_box_keeps_its_distance_to_the_other_edge():
    crop = CropParams(0, 0, 100, 100, size=(100, 100), flip=True)
    mirrored = crop_bboxes(np.array([[10, 20, 30, 40]]), crop)
    assert mirrored.tolist() == [[70, 20, 90, 40]]


def test_degenerate_and_no_boxes_stay_inside_the_view():
    bboxes = crop_bboxes(np.array(DEGENERATE), CROP)
    assert (bboxes >= 0).all()
    assert (bboxes <= [224, 112, 224, 112]).all()
    assert crop_bboxes(np.empty((0, 4)), CROP).shape == (0, 4)
    assert crop_bboxes(np.empty((0, 4)), CROP).dtype == np.float32


def test_golden_geometry(golden):
    """The published code counts inclusive pixels: one source pixel apart."""
    assert len(golden['geometry']) == 200
    for case in golden['geometry']:
        size = case['view_size']
        x, y, w, h = case['proposal_xywh']
        crop = CropParams(*case['crop_xywh'], size=(size, size))
        bboxes = crop_bboxes(np.array([[x, y, x + w, y + h]]), crop)
        pixel = np.array([size / crop.w, size / crop.h] * 2)
        assert (abs(bboxes[0] - case['box_in_view']) <= pixel + 1e-3).all()
        sides = bboxes[0, 2:] - bboxes[0, :2]
        scale = np.sqrt(sides.prod())
        near = min(abs(scale - t) for t in (48, 96, 192)) <= 2
        level = np.searchsorted((48, 96, 192), scale, side='right')
        assert near or level == case['level']


def test_pixels_and_boxes_move_together():
    """A white box on black is found where its coordinates say."""
    img = np.zeros((90, 120, 3), np.uint8)
    img[30:60, 40:80] = 255
    for flip in (False, True):
        crop = CropParams(20, 10, 90, 70, size=(210, 180), flip=flip)
        bbox = crop_bboxes(np.array([[40, 30, 80, 60]]), crop)[0]
        rows, columns = np.nonzero(crop_image(img, crop)[..., 0] > 127)
        found = [columns.min(), rows.min(), columns.max(), rows.max()]
        assert abs(found - bbox + [0, 0, 1, 1]).max() <= 1


def test_resize_is_within_a_tenth_of_a_gray_level_of_pil():
    means = []
    for name in GOLDEN:
        image = Image.fromarray(load_photo(name))
        for size in (112, 224):
            pil = image.resize((size, size), Image.Resampling.BILINEAR)
            ours = resize_image(np.array(image), (size, size))
            difference = abs(ours - np.asarray(pil, np.float64))
            assert difference.max() <= 1
            means.append(difference.mean())
    assert np.mean(means) < 0.1


@pytest.mark.parametrize('flip', [False, True])
def test_views_lie_in_a_row_in_memory(flip):
    """Else each later operation copies its input first, and quietly."""
    img = np.zeros((60, 80, 3), np.uint8)
    for rect in [(0, 0, 80, 60), (10, 5, 40, 30)]:
        view = crop_image(img, CropParams(*rect, size=(32, 48), flip=flip))
        assert view.flags.c_contiguous


def test_flip_mirrors_the_columns():
    img = np.arange(40 * 30 * 3).reshape(40, 30, 3).astype(np.uint8)
    plain, mirrored = (
        crop_image(img, CropParams(3, 2, 20, 30, size=(16, 24), flip=flip))
        for flip in (False, True)
    )
    assert (mirrored[:, ::-1] == plain).all()


def test_one_pixel_image_fills_the_view():
    img = np.full((1, 1, 3), 7, np.uint8)
    view = crop_image(img, CropParams(0, 0, 1, 1, size=(8, 8), flip=True))
    assert view.shape == (8, 8, 3)
    assert (view == 7).all()


@pytest.mark.parametrize('shape', [(375, 500), (1, 1), (1, 4000), (4000, 3)])
def test_drawn_crops_lie_inside_the_image(shape):
    rng = np.random.default_rng(0)
    for _ in range(50):
        x, y, w, h = draw_crop(rng, *shape, (0.5, 1.0), (3 / 4, 4 / 3))
        assert 0 <= x <= x + w <= shape[1]
        assert 0 <= y <= y + h <= shape[0]
        assert w >= 1 and h >= 1


def test_drawn_crops_have_the_area_and_ratio_asked_for():
    rng = np.random.default_rng(0)
    crops = [
        draw_crop(rng, 1000, 1000, (0.5, 0.7), (0.8, 1.25)) for _ in range(400)
    ]
    _, _, w, h = np.array(crops).T
    area, ratio = w * h / 1e6, w / h
    assert 0.499 < area.min() < 0.51 and 0.69 < area.max() < 0.701
    assert 0.799 < ratio.min() < 0.82 and 1.22 < ratio.max() < 1.252
    # uniform in the area, symmetric in the logarithm of the ratio
    assert abs(area.mean() - 0.6) < 0.01
    assert abs(np.log(ratio).mean()) < 0.02


@pytest.mark.parametrize(
    'shape, expected',
    [
        ((100, 120), (0, 0, 120, 100)),  # ratio allowed: all of it
        ((100, 400), (134, 0, 133, 100)),  # too wide
        ((400, 100), (0, 134, 100, 133)),  # too tall
        ((1, 1), (0, 0, 1, 1)),
    ],
)
def test_central_crop(shape, expected):
    crop = central_crop(*shape, (3 / 4, 4 / 3))
    assert np.abs(np.subtract(crop, expected)).max() <= 1


@pytest.mark.parametrize(
    'bbox, expected',
    [
        ([0, 0, 10.5, 20.5], True),  # a corner
        ([0, 0, 10, 20], False),  # touches a corner
        ([0, 0, 10, 60], False),  # touches an edge
        ([89, 59, 200, 200], True),
        ([90, 20, 200, 60], False),
        ([30, 30, 40, 40], True),  # inside
        ([0, 0, 200, 200], True),  # around
        *[(bbox, False) for bbox in DEGENERATE],
    ],
)
def test_overlap_is_a_shared_positive_area(bbox, expected):
    assert overlaps(np.array([bbox]), CROP.bbox).tolist() == [expected]


def test_no_box_overlaps_nothing():
    assert overlaps(np.empty((0, 4)), CROP.bbox).shape == (0,)


def test_jitter_moves_the_share_of_boxes_by_at_most_its_scale():
    bboxes = np.tile([[100.0, 200, 300, 250]], (4000, 1))
    jittered = jitter_bboxes(np.random.default_rng(0), bboxes, 0.5, 0.1)
    moved = (jittered != bboxes).any(axis=1)
    assert abs(moved.mean() - 0.5) < 0.03
    sizes = np.array([200.0, 50])
    shift = (jittered[moved, :2] - bboxes[moved, :2]) / sizes
    stretch = (jittered[moved, 2:] - jittered[moved, :2]) / sizes - 1
    for change in (shift, stretch):
        assert 0.098 < abs(change).max() <= 0.1 + 1e-9
        assert abs(change.mean()) < 0.005


@pytest.mark.parametrize('prob, scale', [(0.0, 0.1), (1.0, 0.0)])
def test_jitter_can_be_switched_off(prob, scale):
    bboxes = np.array([[1.0, 2, 3, 4], *DEGENERATE])
    jittered = jitter_bboxes(np.random.default_rng(0), bboxes, prob, scale)
    np.testing.assert_allclose(jittered, bboxes)
