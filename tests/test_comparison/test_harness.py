"""The harness with cells that take no time: order, failures, changes."""

import json
from dataclasses import replace
from pathlib import Path

import coco_documents
import comparison_plans
import pytest
from mmengine.config import Config

from mmsoco.comparison import harness, materials, tasks
from mmsoco.comparison.plan_file import parse_plan
from mmsoco.comparison.records import Record, read_record, write_record
from mmsoco.workflow.steps import StepError

FREE = dict(name='longer', kind='scratch', time_of='soco')


class FakeJob:
    """Stands in for the process of a cell."""

    made: list[str] = []
    failing: set[str] = set()
    done: set[str] = set()

    def __init__(self, folder, steps, environment) -> None:
        self.folder, [self.step] = Path(folder), steps

    def run(self) -> None:
        name = self.step.name
        # `Job` keeps a note of the steps that it has done.
        if name in FakeJob.done and all(p.exists() for p in self.step.outputs):
            return
        FakeJob.made.append(name)
        if name in FakeJob.failing:
            log = self.folder / 'logs' / f'{name}.log'
            log.parent.mkdir(exist_ok=True)
            log.write_text('something\nerror: the weights did not arrive\n')
            raise StepError(name)
        task = json.loads((self.folder / 'task.json').read_text())
        record = Record(**task['record'])
        if record.kind == 'pretraining':
            (self.folder / 'detector.pth').write_bytes(b'weights')
            record = replace(record, seconds=90.0, pictures_seen=8)
        elif record.kind == 'finetuning':
            record = replace(
                record,
                seconds=30.0,
                steps=2,
                ap=dict(AP=10.0 + record.seed),
            )
        write_record(Path(task['records']), record)
        FakeJob.done.add(name)


@pytest.fixture
def root(tmp_path):
    return comparison_plans.data_set(tmp_path / 'data')


@pytest.fixture
def compare(root, tmp_path, monkeypatch):
    """A function that runs a plan and returns the comparison."""
    monkeypatch.setattr(harness, 'Job', FakeJob)
    monkeypatch.setattr(
        tasks, 'make_proposals', lambda *_: tmp_path / 'store.arrow'
    )
    FakeJob.made, FakeJob.failing, FakeJob.done = [], set(), set()

    def run(*further, shard=(0, 1), only='', is_run=True, **changes):
        content = comparison_plans.plan(root, **changes)
        content['starts'] = [*content['starts'], *further]
        comparison = comparison_plans.comparison(content, root, tmp_path)
        comparison.prepare()
        FakeJob.made = []
        if is_run:
            comparison.is_done = comparison.run(shard, only)
        return comparison

    return run


def test_all_cells_are_made_once(compare):
    first = compare()
    assert first.is_done
    assert FakeJob.made == [cell.name for cell in first.cells]
    compare()
    assert FakeJob.made == []


def test_a_record_says_what_made_it(compare):
    comparison = compare()
    record = comparison.files.record_of('finetuning_soco_4_seed0')
    assert record.command.endswith('--only finetuning_soco_4_seed0')
    assert len(record.config_sha256) == 64
    assert set(record.data_sha256) == {
        'subset',
        'images',
        'val_labels',
        'val_images',
    }


def test_a_failed_cell_is_recorded_and_the_plan_goes_on(compare):
    compare(is_run=False)
    FakeJob.failing = {'pretraining_soco_seed0'}
    comparison = compare()
    assert not comparison.is_done
    states = {state.name: state for state in comparison.status()}
    assert 'did not arrive' in states['pretraining_soco_seed0'].error
    waiting = states['finetuning_soco_4_seed0']
    # as long as the other three, of 30 s each
    assert (waiting.is_done, waiting.seconds) == (False, 30.0)
    assert states['finetuning_soco_4_seed1'].is_done
    # tried again, and what waited for it is made
    FakeJob.failing = set()
    assert compare().is_done
    assert FakeJob.made == [
        'pretraining_soco_seed0',
        'finetuning_soco_4_seed0',
    ]


def test_longer_fine_tuning_keeps_the_pretrainings(compare):
    before = compare()
    after = compare(finetuning=dict(steps=3))
    assert after.is_done
    assert not [n for n in FakeJob.made if n.startswith('pretraining')]
    assert len([n for n in FakeJob.made if n.startswith('finetuning')]) == 4
    # the records of the earlier state are still there
    assert before.files.record_of('finetuning_soco_4_seed0').status == 'done'
    compare()
    assert FakeJob.made == []


def test_another_pretraining_remakes_what_needs_it(compare):
    compare()
    compare(pretraining=dict(samples=16, batch_size=4))
    assert {n.split('_')[1] for n in FakeJob.made} == {'soco'}
    assert len(FakeJob.made) == 4


def test_changed_labels_remake_the_fine_tunings(compare, root):
    compare()
    with coco_documents.edited(root / 'train.json') as labels:
        for annotation in labels['annotations']:
            annotation['bbox'][0] = 9
    compare()
    assert {n.split('_')[0] for n in FakeJob.made} == {'finetuning'}


def test_shards_share_the_records(compare):
    assert compare(shard=(0, 2)).is_done
    first = FakeJob.made
    assert compare(shard=(1, 2)).is_done
    assert not set(first) & set(FakeJob.made)
    assert compare().is_done
    assert FakeJob.made == []


def test_a_probe_is_added_without_remaking_what_is_there(compare):
    before = compare()
    after = compare(probe=dict(num_train=4, num_val=2))
    assert after.is_done
    assert FakeJob.made == [
        f'probe_{start}_seed{seed}'
        for seed in (0, 1)
        for start in ('scratch', 'soco')
    ]
    kept = {n: after.files.fingerprints[n] for n in before.files.fingerprints}
    assert kept == before.files.fingerprints
    # other settings are other probes
    compare(probe=dict(num_train=5, num_val=2))
    assert len(FakeJob.made) == 4


def test_a_probe_sees_labels_of_training_alone(compare, root):
    comparison = compare(probe=dict(num_train=4, num_val=2))
    for name, weights in (('scratch', None), ('soco', 'detector.pth')):
        folder = comparison.files.folder(f'probe_{name}_seed0')
        text = (folder / 'task.json').read_text()
        task = json.loads(text)
        assert task['labels'] == str(root / 'train.json')
        assert task['images'] == str(root / 'train')
        assert task['weights'] == weights or task['weights'].endswith(weights)
    record = comparison.files.record_of('probe_soco_seed0')
    assert set(record.data_sha256) == {'labels', 'images'}


def test_one_cell_alone(compare):
    compare(only='finetuning_scratch_4_seed1')
    assert FakeJob.made == ['finetuning_scratch_4_seed1']
    with pytest.raises(ValueError, match='no cell'):
        compare(only='finetuning_scratch')


def test_scratch_gets_the_time_of_pretraining(compare):
    comparison = compare(FREE)
    record = comparison.files.record_of('finetuning_longer_4_seed0')
    # 90 s of pretraining are three times the 30 s of the 2 steps
    assert '8 steps: 6 of them' in record.notes[0]
    config = comparison.files.folder('finetuning_longer_4_seed0') / 'config.py'
    assert Config.fromfile(config).train_cfg.max_iters == 8


def test_a_pretraining_gets_the_time_of_another(compare):
    baseline = dict(
        name='byol', kind='image-level', config=str(comparison_plans.BYOL)
    )
    longer = dict(baseline, name='byol-time', time_of='soco')
    comparison = compare(baseline, longer, budgets=[dict(labels=4, seeds=[0])])
    record = comparison.files.record_of('pretraining_byol-time_seed0')
    assert record.notes == ['8 samples, the time of soco']


def test_validation_pictures_in_pretraining_are_refused_or_reported(
    compare, root
):
    (root / 'train' / 'copy.png').write_bytes(
        (root / 'val' / '1000.png').read_bytes()
    )
    with pytest.raises(ValueError, match=r'1 of 2 validation pictures'):
        compare()
    data = dict(root=str(root), val_in_pretraining=True)
    notes = compare(data=data, is_run=False).materials.notes
    assert '1 of 2 validation pictures were also seen' in notes[0]


def test_a_budget_larger_than_the_labels_names_both_files(compare):
    with pytest.raises(ValueError, match=r'plan\.py, .*train\.json: .* 9 lab'):
        compare(budgets=[dict(labels=9, seeds=[0])])


def test_a_checkpoint_that_is_not_there(compare):
    start = dict(name='mine', kind='weights', checkpoint='gone.pth')
    with pytest.raises(FileNotFoundError, match=r"'mine': .*gone\.pth"):
        compare(start)


def test_pictures_that_changed_remake_the_fine_tunings(compare, root):
    compare()
    comparison_plans.pictures(root / 'val', 2, 1000, size=72)
    compare()
    assert {n.split('_')[0] for n in FakeJob.made} == {'finetuning'}


def test_classes_that_differ_are_shown(compare, root):
    with coco_documents.edited(root / 'val.json') as labels:
        labels['categories'][0]['name'] = 'Disc'
    with pytest.raises(ValueError, match='Disc'):
        compare()


@pytest.mark.parametrize('name', ['train.json', 'val.json'])
def test_labels_without_objects_are_named(compare, root, name):
    with coco_documents.edited(root / name) as labels:
        labels['annotations'] = []
    with pytest.raises(ValueError, match=rf'{name} has no objects'):
        compare()


def test_labels_that_are_not_there_are_named(compare, root):
    (root / 'val.json').unlink()
    with pytest.raises(FileNotFoundError, match=r'val\.json'):
        compare()


def test_a_damaged_record_is_named(compare, tmp_path):
    comparison = compare()
    [path] = (tmp_path / 'records').glob('finetuning_soco_4_seed0-*')
    path.write_text(path.read_text()[:50])
    with pytest.raises(ValueError, match='Remove it'):
        comparison.files.record_of('finetuning_soco_4_seed0')
    path.write_text('{"cell": "x", "more": 1}')
    with pytest.raises(ValueError, match='not the record'):
        read_record(path)


def test_a_cell_that_another_process_makes_is_left_alone(compare):
    comparison = compare(is_run=False)
    cell = comparison.cells[0]
    with comparison._lock(cell) as is_free:
        assert is_free
        comparison.run(only=cell.name)
    assert FakeJob.made == []


def test_lost_weights_are_made_again_for_those_who_need_them(compare):
    """Records travel with a clone, the weights of a pretraining do not."""
    comparison = compare(FREE)
    everything = set(FakeJob.made)
    weights = list(comparison.out.glob('cells/pretraining_soco_seed*/*.pth'))
    assert weights
    for path in weights:
        path.unlink()
    assert compare(FREE).is_done
    assert FakeJob.made == []  # nobody needs them
    lost = 'finetuning_soco_4_seed0'
    for kind in (lost, 'finetuning_longer_4_seed0'):
        [record] = comparison.records.glob(f'{kind}-*.json')
        record.unlink()
    assert compare(FREE).is_done
    assert FakeJob.made[:1] == ['pretraining_soco_seed0']
    assert set(FakeJob.made[1:]) == {lost, 'finetuning_longer_4_seed0'}
    assert set(FakeJob.made) < everything


def test_time_is_known_without_the_weights(compare):
    """Training for as long as a pretraining took does not start from it."""
    comparison = compare(FREE)
    for path in comparison.out.glob('cells/pretraining_soco_seed*/*.pth'):
        path.unlink()
    [record] = comparison.records.glob('finetuning_longer_4_seed0-*.json')
    record.unlink()
    assert compare(FREE).is_done
    assert FakeJob.made == ['finetuning_longer_4_seed0']


def test_a_shard_waits_for_the_proposals_of_another(
    root, tmp_path, monkeypatch
):
    answers = [BlockingIOError('another process'), None]

    def make_store(job, workers):
        answer = answers.pop(0)
        if answer:
            raise answer

    monkeypatch.setattr(materials, '_make_store', make_store)
    monkeypatch.setattr(materials, 'WAIT_SECONDS', 0.0)
    plan = parse_plan(comparison_plans.plan(root), root / 'plan.py')
    store = materials.make_proposals(plan, plan.starts[1], tmp_path, 1)
    assert store == tmp_path / 'proposals.arrow'
    assert not answers
