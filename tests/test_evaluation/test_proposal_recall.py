import contextlib
import io

import numpy as np
import pytest
from plain_boxes import iou
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mmsoco.evaluation.proposal_recall import (
    SIZES,
    THRESHOLDS,
    PictureObjects,
    best_overlaps,
    curve_numbers,
    measure_overlaps,
    scatter,
    tabulate,
)
from mmsoco.proposals.records import ProposalRecord

NUMBERS = (10, 50, 100, 1000)


def grid_objects(rng):
    """Objects of all sizes, none of which overlaps another."""
    cells = [(x, y) for x in range(0, 600, 200) for y in range(0, 400, 200)]
    sides = rng.uniform(8, 190, (len(cells), 2))
    starts = np.array(cells) + rng.uniform(0, 200 - sides)
    return np.hstack([starts, starts + sides])


@pytest.fixture(scope='module')
def pictures():
    """Six pictures with up to 160 boxes, most of them near an object."""
    rng = np.random.default_rng(0)
    found = []
    for number in (0, 3, 12, 60, 120, 160):
        objects = grid_objects(rng)
        boxes = objects[rng.integers(0, len(objects), number)]
        sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
        boxes = boxes + sides * rng.uniform(-0.3, 0.3, boxes.shape)
        boxes = np.rint(boxes).clip(0, [600, 400] * 2)
        record = ProposalRecord(f'{number}.jpg', 400, 600, boxes)
        found.append(PictureObjects(record, objects))
    return found


def test_best_overlaps_equal_a_double_loop(pictures):
    for record, objects in pictures:
        best = best_overlaps(objects, record.bboxes, NUMBERS)
        for row, one in zip(best, objects, strict=True):
            ious = [iou(one, box) for box in record.bboxes]
            expected = [max(ious[:number], default=0) for number in NUMBERS]
            assert row.tolist() == pytest.approx(expected)


def test_average_recall_equals_a_loop_over_thresholds(pictures):
    measured = measure_overlaps(pictures, NUMBERS, ranked=True)
    for size, (low, high) in SIZES.items():
        for number in NUMBERS:
            hits = []
            for record, objects in pictures:
                for one in objects:
                    area = (one[2] - one[0]) * (one[3] - one[1])
                    if not low <= area < high:
                        continue
                    boxes = record.bboxes[:number]
                    best = max((iou(one, b) for b in boxes), default=0)
                    hits += [best >= t for t in THRESHOLDS]
            expected = sum(hits) / len(hits)
            found = measured.average_recall(number, size)
            assert found == pytest.approx(expected)


def coco_average_recall(pictures):
    """pycocotools' average recall by number of boxes, then by size."""
    images, annotations, results = [], [], []
    for image, (record, objects) in enumerate(pictures, 1):
        images.append(dict(id=image, height=400, width=600))
        for x1, y1, x2, y2 in objects:
            w, h = x2 - x1, y2 - y1
            annotations.append(
                dict(id=len(annotations) + 1, image_id=image, category_id=1,
                     bbox=[x1, y1, w, h], area=w * h, iscrowd=0)
            )  # fmt: skip
        for place, (x1, y1, x2, y2) in enumerate(record.bboxes):
            results.append(
                dict(image_id=image, category_id=1, score=1 / (1 + place),
                     bbox=[x1, y1, x2 - x1, y2 - y1])
            )  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = dict(
            images=images, annotations=annotations, categories=[dict(id=1)]
        )
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(results), 'bbox')
        evaluation.params.useCats = 0
        evaluation.params.maxDets = [10, 50, 100]
        evaluation.evaluate()
        evaluation.accumulate()
    # (thresholds, categories, sizes, numbers of boxes)
    recall = evaluation.eval['recall'].mean(axis=0)[0]
    return {
        size: dict(zip((10, 50, 100), row, strict=True))
        for size, row in zip(SIZES, recall, strict=True)
    }


def test_average_recall_equals_that_of_pycocotools(pictures):
    measured = measure_overlaps(pictures, NUMBERS, ranked=True)
    for size, row in coco_average_recall(pictures).items():
        for number, expected in row.items():
            found = measured.average_recall(number, size)
            assert found == pytest.approx(expected), (size, number)
            assert 0 < found < 1


def test_without_a_rank_the_order_is_drawn_from_the_seed(pictures):
    one, same, other, ranked = (
        measure_overlaps(pictures, NUMBERS, **options)
        for options in (
            dict(ranked=False),
            dict(ranked=False),
            dict(ranked=False, seed=1),
            dict(ranked=True),
        )
    )
    np.testing.assert_array_equal(one.best, same.best)
    assert (one.best[:, 0] != other.best[:, 0]).any()
    assert (one.best[:, 0] != ranked.best[:, 0]).any()
    # all boxes together are the same whatever their order
    np.testing.assert_array_equal(one.best[:, -1], ranked.best[:, -1])


def test_scattered_boxes_keep_their_sizes_and_stay_inside():
    rng = np.random.default_rng(0)
    boxes = np.array([[0, 0, 600, 400], [10, 20, 40, 90]] * 50, np.float32)
    moved = scatter(boxes, 400, 600, rng)
    sides = boxes[:, 2:] - boxes[:, :2]
    np.testing.assert_allclose(moved[:, 2:] - moved[:, :2], sides)
    assert (moved[:, :2] >= 0).all() and (moved[:, 2:] <= [600, 400]).all()
    # the box of the whole picture has but one place
    np.testing.assert_array_equal(moved[::2], boxes[::2])
    # places are uniform: 50 of them have a standard error of 23 pixels
    assert abs(moved[1::2, 0].mean() - 285) < 100


def test_the_table_has_a_row_per_size(pictures):
    own = measure_overlaps(pictures, NUMBERS, ranked=True)
    random = measure_overlaps(pictures, NUMBERS, ranked=True, scattered=True)
    found = tabulate(own, random)
    assert list(found) == ['all', 'small', 'medium', 'large']
    assert found['all']['objects'] == 36
    sizes = [found[size]['objects'] for size in ('small', 'medium', 'large')]
    assert sum(sizes) == 36
    row = found['all']['boxes']
    assert row['average_recall']['all'] == own.average_recall(1000)
    assert row['recall_50']['10'] == own.recall(10)
    assert row['best_overlap'] == pytest.approx(own.best[:, -1].mean())
    assert found['all']['random']['best_overlap'] < row['best_overlap']


def test_no_object_of_a_size_is_no_number():
    record = ProposalRecord('a.jpg', 40, 40, np.array([[0, 0, 9, 9]]))
    pictures = [PictureObjects(record, np.array([[0.0, 0, 10, 10]]))]
    own = measure_overlaps(pictures, NUMBERS, ranked=True)
    assert own.average_recall(10, 'large') is None
    # 81 of 100: of the thresholds 0.5 to 0.8 are met
    assert own.average_recall(10, 'small') == pytest.approx(0.7)
    table = tabulate(own, own)
    assert table['large']['boxes']['best_overlap'] is None


def test_the_numbers_of_the_curve_end_with_all_boxes():
    assert curve_numbers(0) == [10, 50, 100]
    assert curve_numbers(30) == [1, 2, 5, 10, 20, 30, 50, 100]
    assert curve_numbers(300)[-3:] == [100, 200, 300]
