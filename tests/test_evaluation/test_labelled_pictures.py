import json

import coco_documents
import numpy as np
import pytest

from mmsoco.evaluation.labelled_pictures import (
    LabelledPicture,
    read_coco,
    split,
)


def write(path, **changes):
    content = dict(
        images=[
            dict(id=7, file_name='b.jpg', width=9, height=9),
            dict(id=3, file_name='a.jpg', width=9, height=9),
            dict(id=4, file_name='c.jpg', width=9, height=9),
        ],
        categories=[dict(id=5, name='cat'), dict(id=2, name='dog')],
        annotations=[
            dict(id=1, image_id=7, category_id=5, bbox=[1, 2, 3, 4]),
            dict(id=2, image_id=3, category_id=2, bbox=[0, 0, 5, 5]),
            dict(id=3, image_id=7, category_id=2, bbox=[4, 4, 2, 1]),
            dict(id=4, image_id=4, category_id=2, bbox=[4, 4, 0, 1]),
            dict(
                id=5, image_id=4, category_id=2, bbox=[4, 4, 3, 1], iscrowd=1
            ),
        ],
    )
    path.write_text(json.dumps({**content, **changes}))
    return path


def pictures_of(count):
    boxes, labels = np.zeros((1, 4), np.float32), np.zeros(1, np.int64)
    return [LabelledPicture(f'{i}.jpg', boxes, labels) for i in range(count)]


def test_reads_boxes_and_classes_in_order(tmp_path):
    classes, pictures = read_coco(tmp_path, write(tmp_path / 'a.json'))
    assert classes == ['dog', 'cat']  # by id
    assert [p.path.name for p in pictures] == ['a.jpg', 'b.jpg']
    assert pictures[1].boxes.tolist() == [[1, 2, 4, 6], [4, 4, 6, 5]]
    assert pictures[1].labels.tolist() == [1, 0]
    assert pictures[0].path.parent == tmp_path


def test_refuses_what_is_no_annotation_file(tmp_path):
    with pytest.raises(FileNotFoundError, match='none.json'):
        read_coco(tmp_path, tmp_path / 'none.json')
    path = write(tmp_path / 'a.json')
    with coco_documents.edited(path) as content:
        del content['categories']
    with pytest.raises(ValueError, match="'categories' is missing"):
        read_coco(tmp_path, path)
    with pytest.raises(ValueError, match='no picture with a usable box'):
        read_coco(tmp_path, write(path, annotations=[]))


def test_split_is_disjoint_and_follows_the_seed():
    pictures = pictures_of(20)
    train, val = split(pictures, 12, 6, seed=1)
    names = [p.path for p in train] + [p.path for p in val]
    assert len(set(names)) == len(names) == 18
    assert (train, val) == split(pictures, 12, 6, seed=1)
    assert (train, val) != split(pictures, 12, 6, seed=2)


@pytest.mark.parametrize(
    ('wanted', 'there', 'sizes'),
    [
        ((500, 300), 16, (10, 6)),
        # Each gets one picture at least.
        ((1, 300), 10, (1, 9)),
        ((300, 1), 10, (9, 1)),
    ],
)
def test_split_shrinks_in_proportion(wanted, there, sizes):
    train, val = split(pictures_of(there), *wanted)
    assert (len(train), len(val)) == sizes


def test_split_needs_two_pictures():
    with pytest.raises(ValueError, match='got 1 pictures'):
        split(pictures_of(1), 500, 300)
