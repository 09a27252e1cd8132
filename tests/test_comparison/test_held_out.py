"""The split of the labelled pictures that settings are chosen on."""

import json
from pathlib import Path

import coco_documents
import pytest

from mmsoco.comparison.held_out import with_held_out
from mmsoco.comparison.plan import Plan
from mmsoco.comparison.plan_parts import Budget, Data, Start


def make_data(root: Path, pictures: int) -> None:
    """Write labelled pictures; the content of a file is its number."""
    (root / 'train' / 'deep').mkdir(parents=True)
    names = [f'deep/{number}.jpg' for number in range(pictures)]
    for number, name in enumerate(names):
        (root / 'train' / name).write_text(str(number))
    document = dict(
        images=[dict(id=7 * n, file_name=f) for n, f in enumerate(names)],
        annotations=[
            dict(id=n, image_id=7 * n, category_id=1, bbox=[0, 0, 9, 9])
            for n in range(pictures)
        ],
        categories=[dict(id=1, name='thing')],
    )
    (root / 'train.json').write_text(json.dumps(document))


def make_plan(root: Path, held_out: int) -> Plan:
    return Plan(
        name='plan',
        data=Data(root=str(root), held_out=held_out),
        detector='detector.py',
        starts=(Start(name='scratch', kind='scratch'),),
        budgets=(Budget(labels=2, seeds=(0,)),),
        file=root / 'plan.py',
    )


def test_every_picture_is_on_one_side(tmp_path):
    make_data(tmp_path / 'data', 10)
    plan = with_held_out(make_plan(tmp_path / 'data', 3), tmp_path / 'out')
    sides = {}
    for labels, images in (('labels', 'images'), ('val_labels', 'val_images')):
        document = json.loads(plan.data.path(labels).read_text())
        files = {
            path.relative_to(plan.data.path(images)).as_posix()
            for path in plan.data.path(images).rglob('*.jpg')
        }
        assert {i['file_name'] for i in document['images']} == files
        numbers = {i['id'] // 7 for i in document['images']}
        assert {a['id'] for a in document['annotations']} == numbers
        for number in numbers:
            link = plan.data.path(images) / f'deep/{number}.jpg'
            assert link.read_text() == str(number)
        sides[labels] = numbers
    assert len(sides['val_labels']) == 3
    assert sides['labels'] | sides['val_labels'] == set(range(10))
    assert not sides['labels'] & sides['val_labels']
    # Pretraining sees no picture that is held out.
    assert plan.data.path('pictures') == plan.data.path('images')


def test_called_again_it_is_the_same_split(tmp_path):
    make_data(tmp_path / 'data', 12)
    plan = make_plan(tmp_path / 'data', 5)
    first = with_held_out(plan, tmp_path / 'out')
    before = first.data.path('val_labels').read_bytes()
    again = with_held_out(plan, tmp_path / 'out')
    assert again == first
    assert again.data.path('val_labels').read_bytes() == before


def test_nothing_held_out_is_the_plan_itself(tmp_path):
    plan = make_plan(tmp_path, 0)
    assert with_held_out(plan, tmp_path / 'out') is plan
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize('held_out', [4, 5])
def test_nothing_left_to_learn_from_is_refused(tmp_path, held_out):
    make_data(tmp_path / 'data', 4)
    plan = make_plan(tmp_path / 'data', held_out)
    with pytest.raises(ValueError, match=r'data\.held_out=.* none of the 4'):
        with_held_out(plan, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_other_labels_are_another_split(tmp_path):
    make_data(tmp_path / 'data', 8)
    first = with_held_out(make_plan(tmp_path / 'data', 2), tmp_path / 'out')
    labels = tmp_path / 'data' / 'train.json'
    with coco_documents.edited(labels) as document:
        del document['images'][0], document['annotations'][0]
    second = with_held_out(make_plan(tmp_path / 'data', 2), tmp_path / 'out')
    files = [
        path.stem
        for name in ('images', 'val_images')
        for path in second.data.path(name).rglob('*.jpg')
    ]
    assert sorted(files, key=int) == [str(n) for n in range(1, 8)]
    assert first.data.root != second.data.root
