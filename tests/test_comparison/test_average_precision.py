"""AP against numbers that follow from the definition."""

import json

import comparison_plans
import pytest

from mmsoco.comparison.average_precision import evaluate

SIZE = 40


def result(image, category, box, score=0.9):
    return dict(image_id=image, category_id=category, bbox=box, score=score)


@pytest.fixture
def files(tmp_path):
    labels = tmp_path / 'labels.json'
    labels.write_text(json.dumps(comparison_plans.labels(4)))

    def run(detections):
        path = tmp_path / 'found.json'
        path.write_text(json.dumps(detections))
        return evaluate(labels, path)

    return run


def truth(image):
    return result(image, 1 + image % 2, [8, 8, SIZE, SIZE])


def test_all_found(files):
    found = files([truth(i) for i in range(4)])
    assert found.ap['AP'] == found.ap['AP50'] == 100.0
    assert found.by_class == {'disc': 100.0, 'square': 100.0}
    # 1,600 pixels is medium (32 x 32 to 96 x 96)
    assert found.ap['AP_medium'] == 100.0
    assert found.ap['AP_small'] is None


def test_nothing_found(files):
    found = files([])
    assert found.ap['AP'] == 0.0
    assert found.ap['AP_medium'] == 0.0
    assert found.ap['AP_large'] is None
    assert found.by_class == {'disc': 0.0, 'square': 0.0}


def test_nothing_found_is_as_good_as_a_detection_beside_the_objects(tmp_path):
    labels = comparison_plans.labels(4)
    # An object of exactly 32 x 32 pixels is both small and medium in COCO, and
    # a class of nothing but crowds has no AP.
    first, *others = labels['annotations']
    first.update(bbox=[8, 8, 32, 32], area=32**2)
    for annotation in others:
        annotation['iscrowd'] = int(annotation['category_id'] == 2)
    (tmp_path / 'labels.json').write_text(json.dumps(labels))
    beside = [result(0, 1, [0, 0, 2, 2])]
    found = []
    for detections in ([], beside):
        path = tmp_path / 'found.json'
        path.write_text(json.dumps(detections))
        found.append(evaluate(tmp_path / 'labels.json', path))
    assert found[0] == found[1]
    assert found[0].ap['AP_small'] == 0.0
    assert found[0].by_class == {'disc': 0.0, 'square': None}


def test_one_class_missed(files):
    found = files([truth(0), truth(2)])
    assert found.by_class == {'disc': 100.0, 'square': 0.0}
    assert found.ap['AP'] == 50.0


def test_a_shifted_box_counts_up_to_its_overlap(files):
    # shifted by 8 of 40 pixels: IoU 32 / 48 = 0.667: right at 0.50 to 0.65
    shifted = [result(i, 1 + i % 2, [16, 8, SIZE, SIZE]) for i in range(4)]
    found = files(shifted)
    assert found.ap['AP50'] == 100.0
    assert found.ap['AP75'] == 0.0
    assert found.ap['AP'] == pytest.approx(100 * 4 / 10)
