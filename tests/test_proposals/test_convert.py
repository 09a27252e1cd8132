import copy
import math
import re

import numpy as np
import pytest
from command import call
from generator_helpers import assert_same_stores, make_job, run

from mmsoco.proposals import convert
from mmsoco.proposals.json_boxes import record_of
from mmsoco.proposals.store import (
    ProposalRecord,
    ProposalStore,
    ProposalStoreWriter,
)
from mmsoco.utils.files import write_json
from mmsoco.utils.problems import Outcome, Problems

COCO = {
    'images': [
        {'id': 9, 'file_name': 'b.jpg', 'height': 40, 'width': 60},
        {'id': 3, 'file_name': 'a.jpg', 'height': 40, 'width': 60},
    ],
    'annotations': [
        {'id': 1, 'image_id': 9, 'bbox': [1, 2, 3, 4]},
        {'id': 2, 'image_id': 9, 'bbox': [1.5, 2.25, 3.0, 37.9]},
    ],
}


@pytest.fixture
def store(image_root, tmp_path):
    # The layout of the published code cannot hold two of a name.
    (image_root / 'b' / 'a.png').rename(image_root / 'b' / 'other.png')
    return run(make_job(image_root, tmp_path / 'a.arrow'))[0].store


def through_json(content, tmp_path):
    write_json(tmp_path / 'a.json', content)
    assert not list(tmp_path.glob('.*.part'))
    return convert.read_json(tmp_path / 'a.json')


def test_coco_round_trip_is_lossless(store, tmp_path):
    content = through_json(convert.export_coco(store), tmp_path)
    back = convert.write_store(
        convert.import_coco(content),
        tmp_path / 'b.arrow',
        convert.coco_metadata(content),
    )
    assert_same_stores(back, store)


def test_published_round_trip_keeps_boxes_and_sizes(
    store, image_root, tmp_path
):
    content = through_json(convert.export_published(store), tmp_path)
    records = convert.import_published(content, image_root)
    back = convert.write_store(records, tmp_path / 'b.arrow', {})
    assert len(back) == len(store)
    for record, expected in zip(back, store, strict=True):
        assert record.file_name == expected.file_name
        assert record.height == expected.height
        assert record.width == expected.width
        np.testing.assert_array_equal(record.bboxes, expected.bboxes)
        assert (record.fallback == 3) == (expected.fallback == 3)
    assert convert.export_published(back) == content


def test_published_layout(tmp_path):
    bboxes = np.array([[1, 2, 11, 22], [0, 0, 60, 40]])
    with ProposalStoreWriter(tmp_path / 'a.arrow') as writer:
        writer.write([ProposalRecord('d/a.jpg', 40, 60, bboxes)])
    exported = convert.export_published(ProposalStore(tmp_path / 'a.arrow'))
    assert exported == {'a.jpg': [[1, 2, 10, 20], [0, 0, 60, 40]]}


def test_golden_lists_survive(golden_photos, tmp_path):
    lists = {
        name: photo['ratio3size0308_xywh']
        for name, photo in golden_photos.items()
    }
    records = [
        record_of(
            name, (photo['height'], photo['width']), lists[name], None, None
        )
        for name, photo in sorted(golden_photos.items())
    ]
    store = convert.write_store(records, tmp_path / 'a.arrow', {})
    assert convert.export_published(store) == lists


def test_ambiguous_names(image_root, tmp_path):
    store = run(make_job(image_root, tmp_path / 'a.arrow'))[0].store
    with pytest.raises(ValueError, match="such as 'a.png'; export as COCO"):
        convert.export_published(store)
    with pytest.raises(ValueError, match='found 2 times.*a.png'):
        convert.import_published({'a.png': []}, image_root)


def test_proposals_of_missing_images(image_root):
    content = {f'no {i}.png': [] for i in range(5)}
    content['e.png'] = [[0, 0, 5, 5]]
    with pytest.raises(
        ValueError, match='5 of 6 images(.|\n)*skip-missing(.|\n)*no 0.png'
    ):
        convert.import_published(content, image_root)
    problems = Problems()
    (record,) = convert.import_published(content, image_root, True, problems)
    assert record.file_name == 'e.png'
    assert problems.count(Outcome.NOTE) == 5


def test_coco_of_others(tmp_path):
    first, second = convert.import_coco(COCO)
    assert (first.file_name, first.fallback) == ('a.jpg', 3)
    # Fractions grow to whole pixels, and stay within the image.
    assert second.bboxes.tolist() == [[1, 2, 4, 6], [1, 2, 5, 40]]
    assert convert.coco_metadata(COCO) == {}
    convert.write_store([first, second], tmp_path / 'a.arrow', {})


@pytest.mark.parametrize(
    'change, text',
    [
        (lambda c: c.pop('annotations'), "'annotations' is missing"),
        (lambda c: c.update(images=5), "'images' is missing or not a list"),
        (lambda c: c.update(annotations=[3]), 'not a list of objects'),
        (lambda c: c['images'][0].update(id=3), 'same id'),
        (lambda c: c['images'][0].update(file_name='a.jpg'), 'twice'),
        (lambda c: c['images'].clear(), 'no proposals of any image'),
    ],
)
def test_malformed_coco(tmp_path, change, text):
    content = copy.deepcopy(COCO)
    change(content)
    with pytest.raises(ValueError, match=text):
        convert.import_coco(content)


def set_box(*box):
    return lambda c: c['annotations'][1].update(bbox=list(box))


@pytest.mark.parametrize(
    'change, outcome, text, boxes',
    [
        (set_box(1, 2, 3), Outcome.LOST, 'not .x, y, w, h', None),
        (set_box(1, 2, 3, math.nan), Outcome.LOST, 'finite', None),
        (set_box(1, 2, 3, math.inf), Outcome.LOST, 'finite', None),
        (set_box(1, 2, 3, '4'), Outcome.LOST, 'finite', None),
        (set_box(1, 2, 3, True), Outcome.LOST, 'finite', None),
        (set_box(1, 2, 3, 1e300), Outcome.LOST, 'finite', None),
        (set_box(60, 9, 9, 9), Outcome.LOST, 'outside of its image', None),
        (set_box(-9, 9, 9, 9), Outcome.LOST, 'outside of its image', None),
        (
            lambda c: c['annotations'][1].update(bbox='abcd'),
            Outcome.LOST,
            'not .x, y, w, h',
            None,
        ),
        (
            lambda c: c['annotations'][1].update(image_id=4),
            Outcome.LOST,
            'not listed',
            None,
        ),
        (set_box(9, 9, 99, 9), Outcome.REPAIRED, 'clipped', [9, 9, 60, 18]),
        (set_box(-5, 9, 9, 9), Outcome.REPAIRED, 'clipped', [0, 9, 4, 18]),
        (set_box(9, 9, -4, 3), Outcome.REPAIRED, 'swapped', [5, 9, 9, 12]),
    ],
)
def test_boxes_are_repaired_or_left_out_and_counted(
    tmp_path, change, outcome, text, boxes
):
    content = copy.deepcopy(COCO)
    change(content)
    problems = Problems()
    first, second = convert.import_coco(content, problems=problems)
    assert second.bboxes.tolist() == [[1, 2, 4, 6]] + [boxes] * bool(boxes)
    (problem,) = problems
    assert problem.outcome == outcome and problem.count == 1
    assert re.search(text, problem.what)
    convert.write_store([first, second], tmp_path / 'a.arrow', {})


@pytest.mark.parametrize(
    'name', ['../b.jpg', '/etc/b.jpg', 'd/../../b.jpg', r'..\b.jpg', '', 7]
)
def test_no_name_leaves_the_folder(name):
    content = copy.deepcopy(COCO)
    content['images'][0]['file_name'] = name
    problems = Problems()
    (record,) = convert.import_coco(content, problems=problems)
    assert record.file_name == 'a.jpg'
    assert problems.count(Outcome.LOST) == 1


@pytest.mark.parametrize('side', [None, 0, -3, math.nan, 1e9, '60'])
def test_sizes_come_from_the_images(image_root, side):
    content = {
        'images': [
            {'id': 1, 'file_name': 'e.png', 'height': side, 'width': 160},
            {'id': 2, 'file_name': 'f.png', 'height': 105, 'width': 160},
        ],
        'annotations': [],
    }
    first, second = convert.import_coco(content, image_root)
    assert (first.height, first.width) == (104, 160)
    problems = Problems()
    (only,) = convert.import_coco(content, problems=problems)
    assert only.file_name == 'f.png' and problems.count(Outcome.LOST) == 1


def test_an_image_without_a_size_is_counted_once(image_root):
    names = ('e.png', 'gone.png')
    images = [{'id': i, 'file_name': name} for i, name in enumerate(names)]
    problems = Problems()
    content = {'images': images, 'annotations': []}
    (only,) = convert.import_coco(content, image_root, problems)
    assert only.file_name == 'e.png'
    assert problems.count(Outcome.REPAIRED) == 1
    assert problems.count(Outcome.LOST) == 1


def test_strict_refuses_and_writes_nothing(tmp_path):
    content = copy.deepcopy(COCO)
    set_box(9, 9, 99, 9)(content)
    write_json(tmp_path / 'a.json', content)
    out = tmp_path / 'a.arrow'
    with pytest.raises(ValueError, match='1 cases.*--strict(.|\n)*clipped'):
        convert.import_json(tmp_path / 'a.json', out, strict=True)
    assert not out.exists()
    set_box(1, 2, 3, math.nan)(content)
    write_json(tmp_path / 'a.json', content)
    command = ['convert', 'proposals', tmp_path / 'a.json', '--out', out]
    outcome = call(*command)
    assert outcome.status == 3 and '1 items were LEFT OUT' in outcome.out
    assert len(ProposalStore(out)) == 2
