from collections import Counter

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mmsoco.visualization import detections as drawing


def box(x, y, side=10):
    return [x, y, side, side]


DOCUMENT = dict(
    images=[dict(id=7, file_name='a.png'), dict(id=8, file_name='b.png')],
    categories=[dict(id=1, name='cat'), dict(id=2, name='dog')],
    annotations=[
        dict(image_id=7, category_id=1, bbox=box(0, 0)),
        dict(image_id=7, category_id=2, bbox=box(20, 20)),
        dict(image_id=7, category_id=1, bbox=box(40, 0), iscrowd=1),
    ],
)


def found(image, category, bbox, score):
    return dict(image_id=image, category_id=category, bbox=bbox, score=score)


FOUND = [
    found(7, 1, box(1, 0), 0.5),  # overlaps 9/11 of the cat, but comes second
    found(7, 1, box(0, 0), 0.9),  # the cat
    found(7, 1, box(20, 20), 0.8),  # a dog called a cat
    found(7, 2, box(25, 20), 0.7),  # 5/15 of the dog: next to it
    found(7, 2, box(21, 20), 0.6),  # the dog
    found(8, 1, box(0, 0), 0.4),  # nothing is there
]


def test_the_best_detection_takes_the_object():
    first, second = drawing.judge(DOCUMENT, FOUND)
    assert len(first.objects) == 2  # the crowd is none
    assert first.scores.tolist() == [0.9, 0.8, 0.7, 0.6, 0.5]
    assert first.matches.tolist() == [0, -1, -1, 1, -1]
    assert second.matches.tolist() == [-1]
    assert len(second.objects) == 0


def f1(judged, threshold):
    shown = [
        match
        for picture in judged
        for match, score in zip(picture.matches, picture.scores, strict=True)
        if score >= threshold
    ]
    right = sum(match >= 0 for match in shown)
    total = sum(len(picture.objects) for picture in judged)
    return 2 * right / (len(shown) + total)


def test_the_threshold_has_the_highest_f1():
    judged = drawing.judge(DOCUMENT, FOUND)
    scores = [entry['score'] for entry in FOUND]
    best = drawing.best_threshold(judged)
    assert best in scores
    assert f1(judged, best) == max(f1(judged, score) for score in scores)
    # 1 right of 1 shown and 2 objects, against 2 right of 4 shown
    assert (best, f1(judged, best)) == (0.9, pytest.approx(2 / 3))


def test_detections_on_crowds_count_as_in_coco():
    inside, beside, dog = (
        found(7, 1, box(42, 2, 6), 0.95),
        found(7, 1, box(46, 0), 0.94),  # 4/10 of it
        found(7, 2, box(42, 2, 6), 0.93),  # the crowd is of cats
    )
    entries = [*FOUND, inside, beside, dog]
    truth = COCO()
    truth.dataset = dict(
        DOCUMENT,
        annotations=[
            dict(a, id=i, area=100, iscrowd=a.get('iscrowd', 0))
            for i, a in enumerate(DOCUMENT['annotations'], 1)
        ],
    )
    truth.createIndex()
    results = truth.loadRes([dict(entry) for entry in entries])
    evaluation = COCOeval(truth, results, 'bbox')
    evaluation.evaluate()
    everywhere = evaluation.params.areaRng[0]
    expected = Counter(
        (judged['image_id'], judged['category_id'], score, match > 0)
        for judged in filter(None, evaluation.evalImgs)
        if judged['aRng'] == everywhere
        for score, match, ignored in zip(
            judged['dtScores'],
            judged['dtMatches'][0],  # at IoU 0.5
            judged['dtIgnore'][0],
            strict=True,
        )
        if not ignored
    )
    assert sum(expected.values()) == len(entries) - 1  # without `inside`
    assert expected == Counter(
        (picture.image['id'], kind, score, match >= 0)
        for picture in drawing.judge(DOCUMENT, entries)
        for kind, score, match in zip(
            picture.classes, picture.scores, picture.matches, strict=True
        )
    )


def test_equal_scores_are_shown_together():
    entries = [dict(entry, score=0.5) for entry in FOUND]
    assert drawing.best_threshold(drawing.judge(DOCUMENT, entries)) == 0.5


def test_nothing_right_shows_nothing():
    wrong = [found(8, 1, box(0, 0), 0.9)]
    assert drawing.best_threshold(drawing.judge(DOCUMENT, wrong)) == 1.0
    assert drawing.best_threshold(drawing.judge(DOCUMENT, [])) == 1.0


def test_colors_tell_right_wrong_and_missed(tmp_path):
    gray = Image.fromarray(np.full((60, 60, 3), 128, np.uint8))
    for name in ('a.png', 'b.png'):
        gray.save(tmp_path / name)
    names = {1: 'cat', 2: 'dog'}
    judged = drawing.judge(DOCUMENT, FOUND)
    picture = drawing.draw_detections(judged, names, tmp_path, 0.75)
    half = picture.shape[1] // 2
    left = {tuple(c) for c in picture[:, :half].reshape(-1, 3)}
    right = {tuple(c) for c in picture[:, half:].reshape(-1, 3)}
    assert drawing.LABEL in left and drawing.LABEL not in right
    # the cat, the false cat, and the dog that 0.75 leaves out
    assert {drawing.RIGHT, drawing.WRONG, drawing.MISSED} <= right
    lower = drawing.draw_detections(judged, names, tmp_path, 0.6)
    seen = {tuple(c) for c in lower[:, half:].reshape(-1, 3)}
    assert drawing.MISSED not in seen
