import pytest

from mmsoco.workflow.labels import (
    boxes_by_picture,
    count_boxes,
    draw_labels,
    median_side,
)


@pytest.fixture
def document():
    return dict(
        images=[dict(id=i, file_name=f'{i}.jpg') for i in range(10)],
        categories=[dict(id=3, name='cat'), dict(id=5, name='dog')],
        annotations=[
            dict(image_id=i, category_id=3, bbox=[1, 2, 4 * (i + 1), 4])
            for i in range(8)
        ]
        # A detector learns from none of these.
        + [
            dict(image_id=0, category_id=5, bbox=[0, 0, 9, 9], iscrowd=1),
            dict(image_id=8, category_id=5, bbox=[0, 0, 9, 9], ignore=1),
            dict(image_id=9, category_id=5, bbox=[0, 0, 9, 0.5]),
        ],
    )


def test_boxes_become_corners_and_crowds_are_left_out(document):
    boxes = boxes_by_picture(document)
    assert set(boxes) == {f'{i}.jpg' for i in (*range(8), 9)}
    assert boxes['1.jpg'].tolist() == [[1, 2, 9, 6]]
    assert boxes['0.jpg'].shape == (1, 4)


def test_counts_name_classes_without_boxes(document):
    assert count_boxes(document) == {'cat': 8, 'dog': 0}


def test_drawn_labels_are_nested_and_repeatable(document):
    small, large = (draw_labels(document, n, 0) for n in (3, 6))
    names = [{i['id'] for i in d['images']} for d in (small, large)]
    assert len(names[0]) == 3 and names[0] < names[1]
    assert draw_labels(document, 3, 0) == small
    assert draw_labels(document, 3, 1) != small
    ids = {a['image_id'] for a in small['annotations']}
    assert ids == names[0]
    assert names[1] <= set(range(8))  # pictures with objects only
    assert len(document['images']) == 10
    assert small['categories'] == document['categories']


@pytest.mark.parametrize('number', [0, 9])
def test_more_labels_than_there_are(document, number):
    with pytest.raises(ValueError, match=f'--labels {number}: .* 8 pictures'):
        draw_labels(document, number, 0)


def test_the_side_of_the_objects(document):
    # sqrt of the median of 16, 32, ... 128 and 81: 80 and 81 are in the middle
    areas = sorted([16 * i for i in range(1, 9)] + [81])
    assert median_side(document) == pytest.approx(areas[4] ** 0.5)
    assert median_side(dict(annotations=[])) == 0
