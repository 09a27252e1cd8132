import copy
import json
import os

import numpy as np
import pytest
from generator_helpers import assert_same_stores, make_job, run

from mmsoco.proposals import convert
from mmsoco.proposals.store import (
    ProposalRecord,
    ProposalStore,
    ProposalStoreWriter,
)
from mmsoco.utils.files import write_json

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
    assert not list(tmp_path.glob('.*.tmp'))
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
        convert._record(n, golden_photos[n]['height'], p['width'], lists[n])
        for n, p in sorted(golden_photos.items())
    ]
    store = convert.write_store(records, tmp_path / 'a.arrow', {})
    assert convert.export_published(store) == lists


def test_ambiguous_names(image_root, tmp_path):
    store = run(make_job(image_root, tmp_path / 'a.arrow'))[0].store
    with pytest.raises(ValueError, match="such as 'a.png'; export as COCO"):
        convert.export_published(store)
    with pytest.raises(ValueError, match=r"one image 'a.png'.*found 2 .*b/a"):
        convert.import_published({'a.png': []}, image_root)


def test_proposals_of_missing_images(image_root):
    content = {'no.png': [], 'e.png': [[0, 0, 5, 5]]}
    with pytest.raises(ValueError, match="'no.png'.*found 0.*skip-missing"):
        convert.import_published(content, image_root)
    (record,) = convert.import_published(content, image_root, True)
    assert record.file_name == 'e.png'


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
        (lambda c: c.pop('annotations'), 'not COCO-style.*annotations'),
        (lambda c: c['images'][0].pop('width'), 'not COCO-style.*width'),
        (lambda c: c.update(images=5), 'not COCO-style'),
        (lambda c: c['annotations'][1].update(image_id=4), 'not listed'),
        (
            lambda c: c['annotations'][1].update(bbox=[1, 2, 3]),
            "'b.jpg'.*four",
        ),
        (lambda c: c['annotations'][1].update(bbox='abcd'), 'four finite'),
        (
            lambda c: c['annotations'][1].update(bbox=[1, 2, 3, float('nan')]),
            'four finite',
        ),
        (lambda c: c['annotations'][1].update(bbox=[9, 9, 99, 9]), 'x2 <= 60'),
        (lambda c: c['annotations'][1].update(bbox=[9, 9, -1, 9]), 'x1 <= x2'),
        (lambda c: c['images'][0].update(file_name='a.jpg'), 'twice'),
    ],
)
def test_malformed_coco(tmp_path, change, text):
    content = copy.deepcopy(COCO)
    change(content)
    with pytest.raises(ValueError, match=text):
        convert.write_store(
            convert.import_coco(content), tmp_path / 'a.arrow', {}
        )
    assert not os.listdir(tmp_path)


def test_malformed_json(tmp_path):
    (tmp_path / 'a.json').write_text('{')
    with pytest.raises(ValueError, match='a.json.*not JSON'):
        convert.read_json(tmp_path / 'a.json')
    (tmp_path / 'a.json').write_text(json.dumps([1]))
    with pytest.raises(ValueError, match='a.json.*got list'):
        convert.read_json(tmp_path / 'a.json')
