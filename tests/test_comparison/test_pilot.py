"""The user's question: its plan, its length, and what bad input gets."""

import json
from dataclasses import replace
from pathlib import Path

import coco_documents
import comparison_plans
import pytest
from mmengine.config import Config

from mmsoco.comparison import pilot
from mmsoco.comparison.records import Record
from mmsoco.utils.locks import FolderLock

LEAF = (
    comparison_plans.CONFIGS
    / 'demo'
    / 'faster-rcnn_r18-fpn_scratch_1xb4-6e_bccd.py'
)


@pytest.fixture
def question(tmp_path):
    root = comparison_plans.data_set(tmp_path / 'data')
    run = tmp_path / 'run'
    run.mkdir()
    (run / pilot.DETECTOR).write_bytes(b'weights')
    Config.fromfile(LEAF).dump(run / pilot.CONFIG)
    return pilot.Question(
        run=run,
        train=root / 'train.json',
        train_images=root / 'train',
        val=root / 'val.json',
        val_images=root / 'val',
        labels=(),
        seeds=3,
        seconds=None,
        init=None,
        out=run / 'pilot',
        command=('mmsoco', 'pilot', 'run'),
    )


def test_plan_compares_scratch_with_the_detector(question):
    plan = pilot.plan_of(question)
    assert [s.kind for s in plan.starts] == ['scratch', 'weights']
    assert [b.labels for b in plan.budgets] == [2, 8]  # a quarter, and all
    assert plan.budgets[0].seeds == (0, 1, 2)
    cfg = Config.fromfile(plan.detector)
    assert cfg.train_cfg.type == 'IterBasedTrainLoop'
    assert cfg.param_scheduler[1].end == cfg.train_cfg.max_iters


def test_parts_that_are_loaded_become_those_of_the_start(question):
    assert pilot.plan_of(question).starts[1].parts is None
    path = question.run / pilot.CONFIG
    cfg = Config.fromfile(path)
    cfg.default_hooks.load_report.parts = ['backbone', 'neck']
    cfg.dump(path)
    plan = pilot.plan_of(question)
    assert plan.starts[1].parts == ('backbone', 'neck')
    written = Config.fromfile(plan.detector)
    assert 'parts' not in written.default_hooks.load_report


def test_weights_of_the_user_take_the_place_of_scratch(question, tmp_path):
    weights = tmp_path / 'mine.pth'
    weights.write_bytes(b'x')
    plan = pilot.plan_of(replace(question, init=weights, labels=(4,)))
    assert plan.starts[0].checkpoint == str(weights)
    assert [b.labels for b in plan.budgets] == [4]


def test_pretraining_pictures_are_those_of_the_run(question, tmp_path):
    folder = tmp_path / 'data' / 'val'
    (question.run / pilot.MANIFEST).write_text(
        json.dumps(dict(images=dict(folder=str(folder))))
    )
    plan = pilot.plan_of(question)
    assert Path(plan.data.pictures) == folder
    assert 'not known' not in plan.notes


def test_unknown_pretraining_pictures_are_admitted(question):
    assert 'is not known' in pilot.plan_of(question).notes


@pytest.mark.parametrize(
    ('change', 'kind', 'message'),
    [
        (dict(run=Path('nowhere')), FileNotFoundError, 'mmsoco pretrain'),
        (dict(init=Path('gone.pth')), FileNotFoundError, '--init: gone'),
        (dict(labels=(4, 9)), ValueError, '--labels 9: .* only 8 pictures'),
        (dict(train=Path('gone.json')), FileNotFoundError, 'gone.json'),
        (dict(val_images=None), ValueError, 'not in(.|\n)*--val-images names'),
    ],
)
def test_bad_input(question, change, kind, message):
    with pytest.raises(kind, match=message):
        pilot.plan_of(replace(question, **change))


def test_a_second_pilot_in_the_folder_names_the_first(question):
    """Its trial "left no record", since the first one was making it."""
    with (
        FolderLock(question.out, 'running a pilot', '--out'),
        pytest.raises(BlockingIOError, match='in use: .*a pilot.*--out'),
    ):
        pilot.answer_question(question, None)


def test_labels_are_repaired_as_for_a_fine_tuning(question, capsys):
    """The pilot and `mmsoco finetune` accept the same labels."""
    with coco_documents.edited(question.train) as document:
        # as from Roboflow, and without what only the evaluation needs
        document['categories'].insert(0, dict(id=0, name='disc'))
        for thing in document['annotations']:
            del thing['area']
    data = pilot.plan_of(question).data
    assert Path(data.labels) == question.out / 'labels' / 'train.json'
    repaired = json.loads(Path(data.labels).read_text())
    assert [c['id'] for c in repaired['categories']] == [1, 2]
    assert all(thing['area'] == 1600 for thing in repaired['annotations'])
    assert Path(data.val_labels) == question.val
    assert 'named like another one: dropped' in capsys.readouterr().out


def test_ids_of_both_labels_agree(question):
    """Two exports of a tool number their classes as they come."""
    with coco_documents.edited(question.val) as document:
        names = {7: 'square', 3: 'disc', 4: 'ring'}
        document['categories'] = [dict(id=k, name=names[k]) for k in names]
        things = document['annotations']
        for thing, key in zip(things, (3, 7), strict=True):
            thing['category_id'] = key
        things.append(dict(things[0], id=9, category_id=4, bbox=[0, 0, 9, 9]))
    data = pilot.plan_of(question).data
    val = json.loads(Path(data.val_labels).read_text())
    train = json.loads(Path(data.labels).read_text())
    assert val['categories'] == train['categories']
    of_ids = {c['id']: c['name'] for c in val['categories']}
    found = [of_ids[thing['category_id']] for thing in val['annotations']]
    assert found == ['disc', 'square']  # the ring is left out


def trial(seconds=16.0, wall=36.0):
    return Record(
        'x', 'finetuning', 'scratch', 0, 4, 'f', 'c',
        seconds=seconds, wall_seconds=wall, steps=8,
    )  # fmt: skip


def test_length_follows_from_the_trial():
    # 2 s a step and 20 s around it
    steps, seconds = pilot.choose_steps(trial(), 6, None)
    assert (steps, seconds) == (1500, 6 * (3000 + 20))
    steps, seconds = pilot.choose_steps(trial(), 6, 7200)
    assert steps == (1200 - 20) // 2
    assert seconds <= 7200


def test_too_little_time_says_how_much_is_needed():
    with pytest.raises(ValueError, match=r'too short .* fewer --seeds'):
        pilot.choose_steps(trial(), 6, 600)


def test_says_before_it_starts_how_long_it_takes(question):
    plan = pilot.plan_of(replace(question, seeds=2))
    text = pilot.describe(plan, 500, 7200)
    assert text.startswith('8 fine-tunings (2 starts, 2 label budgets')
    assert '2.0 hours' in text
    assert 'fewer than 3 seeds' in text


@pytest.mark.parametrize('kind', ['train_images', 'val_images'])
def test_the_folder_of_the_pictures_is_not_written_to(question, kind):
    images = getattr(question, kind)
    before = sorted(images.rglob('*'))
    with pytest.raises(ValueError, match='--out .* folder of the pictures'):
        pilot.plan_of(replace(question, out=images))
    assert sorted(images.rglob('*')) == before
