import dataclasses
import json

import coco_documents
import numpy as np
import pytest
import tiny_models
from known_pictures import by_color, by_nothing, by_size, make_pictures

from mmsoco.evaluation.probe import ProbeSettings, compare, probe, untrained

SETTINGS = ProbeSettings(
    num_train=24, num_val=12, image_size=(64, 64), neighbours=5
)


def test_classes_by_color_are_seen_by_filters_and_not_by_size(
    tmp_path, detector
):
    labels = make_pictures(tmp_path, by_color)
    result = probe(detector, None, tmp_path, labels, SETTINGS)
    assert result.modules['backbone.stage1'].linear > 0.95
    assert result.controls['color'].linear == 1
    assert result.controls['size'].linear < 0.8
    assert result.boxes == dict(train=48, val=24)
    assert result.loaded == {}
    json.dumps(result.as_dict())


def test_classes_by_size_are_seen_by_the_size_control(tmp_path, detector):
    labels = make_pictures(tmp_path, by_size)
    result = probe(detector, None, tmp_path, labels, SETTINGS)
    assert result.controls['size'].linear == 1
    assert result.controls['size'].knn == 1


def test_classes_without_a_sign_are_at_chance(tmp_path, detector):
    labels = make_pictures(tmp_path, by_nothing)
    result = probe(detector, None, tmp_path, labels, SETTINGS)
    scores = (*result.modules.values(), *result.controls.values())
    assert 0.3 < np.mean([score.linear for score in scores]) < 0.7
    assert 0.3 < np.mean([score.knn for score in scores]) < 0.7


def test_is_deterministic_and_follows_the_seed(tmp_path, detector):
    labels = make_pictures(tmp_path, by_color)
    first = probe(detector, None, tmp_path, labels, SETTINGS)
    assert first == untrained(detector, tmp_path, labels, SETTINGS)
    other = dataclasses.replace(SETTINGS, seed=1)
    assert (
        first.modules != untrained(detector, tmp_path, labels, other).modules
    )


def test_comparison_shows_every_module_and_both_networks(tmp_path, detector):
    labels = make_pictures(tmp_path, by_color)
    start = untrained(detector, tmp_path, labels, SETTINGS)
    weights = tiny_models.soco(detector).state_dict()
    trained = probe(detector, weights, tmp_path, labels, SETTINGS)
    lines = compare(trained, start).splitlines()
    assert len(lines) == 1 + len(start.modules) + len(start.controls) + 1
    [trunk] = [line for line in lines if line.startswith('trunk')]
    expected = [
        f'{score.modules["trunk"].linear:.3f}' for score in (trained, start)
    ]
    assert trunk.split()[3:5] == expected


def test_modules_have_the_detectors_widths(tmp_path, detector):
    labels = make_pictures(tmp_path, by_color)
    modules = probe(detector, None, tmp_path, labels, SETTINGS).modules
    dims = {name: score.dims for name, score in modules.items()}
    stages = {f'backbone.stage{i}': 8 * 2 ** (i - 1) for i in range(1, 5)}
    levels = {f'neck.level{i}': 16 for i in range(1, 6)}
    assert dims == {**stages, **levels, 'neck.own': 16, 'trunk': 32}


def test_one_class_is_refused(tmp_path, detector):
    labels = make_pictures(tmp_path, by_color)
    with coco_documents.edited(labels) as content:
        for annotation in content['annotations']:
            annotation['category_id'] = 1
    with pytest.raises(ValueError, match='only one class'):
        probe(detector, None, tmp_path, labels, SETTINGS)
