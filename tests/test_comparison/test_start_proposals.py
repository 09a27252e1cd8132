"""Starts with their own proposals: labels, a store, a further round."""

import coco_documents
import comparison_plans
import pytest

from mmsoco.comparison import harness, materials, tasks
from mmsoco.comparison.cells import cells_of
from mmsoco.comparison.plan_file import parse_plan
from mmsoco.proposals.filters import Fallback
from mmsoco.proposals.store import ProposalStore

SOCO = dict(kind='soco', config=str(comparison_plans.SOCO))
SCRATCH = dict(name='scratch', kind='scratch')


def plan_of(root, *starts):
    content = comparison_plans.plan(root, starts=[SCRATCH, *starts])
    return parse_plan(content, root / 'plan.py')


def comparison_of(root, *starts):
    found = harness.Comparison(
        plan_of(root, *starts), root / 'out', root / 'records', ['test']
    )
    found.prepare()
    return found


@pytest.fixture
def data(tmp_path):
    return comparison_plans.data_set(tmp_path)


def test_a_further_round_waits_for_the_one_before(tmp_path):
    plan = plan_of(
        tmp_path,
        dict(SOCO, name='third', proposals='second'),
        dict(SOCO, name='second', proposals='first'),
        dict(SOCO, name='first'),
    )
    cells = cells_of(plan)
    names = [cell.name for cell in cells if cell.kind == 'pretraining']
    assert names[:3] == [
        f'pretraining_{start}_seed0' for start in ('first', 'second', 'third')
    ]
    needs = {cell.name: cell.needs for cell in cells}
    assert needs[names[0]] == ()
    assert needs[names[2]] == (names[1],)


@pytest.mark.parametrize(
    ('start', 'message'),
    [
        (dict(SOCO, name='a', proposals='b'), "a start of the plan, got 'b'"),
        (dict(SOCO, name='a', proposals='scratch'), "got 'scratch'"),
        (dict(SOCO, name='a', proposals='a'), 'form a cycle'),
        (
            dict(name='a', kind='scratch', proposals='labels'),
            'no use without a pretraining',
        ),
        (
            dict(SOCO, name='a', proposals='labels', filters={}),
            'filters have no use',
        ),
        (dict(name='a', kind='scratch', filters={}), 'filters have no use'),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, start, message):
    with pytest.raises(ValueError, match=message):
        plan_of(tmp_path, start)


def test_boxes_of_the_labels(data):
    with coco_documents.edited(data / 'train.json') as document:
        first, second, *_ = document['annotations']
        first['bbox'] = [8.4, 7.6, 40.2, 90]  # leaves the picture of 64
        document['annotations'].remove(second)
    store = ProposalStore(materials.label_proposals(plan_of(data), data))
    assert len(store) == 8
    found = {record.file_name: record for record in store}
    assert found['0.png'].bboxes.tolist() == [[8, 8, 49, 64]]
    assert found['1.png'].fallback == Fallback.NONE
    assert found['2.png'].bboxes.tolist() == [[8, 8, 48, 48]]


def test_labels_of_another_folder_are_refused(data):
    plan = plan_of(data)
    other = parse_plan(
        comparison_plans.plan(data, data=dict(root=str(data), pictures='val')),
        plan.file,
    )
    with pytest.raises(ValueError, match='in one folder'):
        materials.label_proposals(other, data)


def test_each_start_gets_its_own(data, monkeypatch):
    comparison = comparison_of(
        data,
        dict(SOCO, name='plain'),
        dict(SOCO, name='labels', proposals='labels'),
        dict(SOCO, name='second', proposals='labels-not'),
        dict(SOCO, name='labels-not'),
    )
    plan, calls = comparison.plan, []
    monkeypatch.setattr(tasks, 'make_proposals', lambda *_: 'searched')
    monkeypatch.setattr(
        tasks,
        'proposals_of_next_round',
        lambda *arguments: calls.append(arguments) or 'joined',
    )
    assert comparison.tasks.proposals(plan.start('plain'), 0) == 'searched'
    labels = comparison.tasks.proposals(plan.start('labels'), 0)
    assert labels.name == 'labels.arrow'
    assert comparison.tasks.proposals(plan.start('second'), 1) == 'joined'
    [(_, start, before, detector, folder, _)] = calls
    assert start.name == 'second'
    assert before == 'searched'
    assert detector == folder / 'detector.pth'
    assert folder.name.startswith('pretraining_labels-not_seed1')


def test_filters_of_a_start(data, monkeypatch):
    plan = plan_of(
        data,
        dict(SOCO, name='a'),
        dict(SOCO, name='wide', filters=dict(min_size=8)),
    )
    jobs = []
    monkeypatch.setattr(
        materials, '_make_store', lambda job, workers: jobs.append(job)
    )
    stores = [
        materials.make_proposals(plan, plan.start(name), data, 1)
        for name in ('a', 'wide')
    ]
    assert stores[0] != stores[1]
    assert [job.filters.min_size for job in jobs] == [32, 8]
    assert [job.out for job in jobs] == [str(store) for store in stores]


def test_other_proposals_are_other_cells(data):
    (data / 'a.arrow').write_bytes(b'of no concern here')
    starts = [
        dict(SOCO, name='a'),
        dict(SOCO, name='b', proposals='labels'),
        dict(SOCO, name='c', proposals='a.arrow'),
        dict(SOCO, name='d', proposals='a'),
        dict(SOCO, name='e', filters=dict(min_size=8)),
    ]
    found = comparison_of(data, *starts).files.fingerprints
    names = [f'pretraining_{name}_seed0' for name in 'abcde']
    assert len({found[name] for name in names}) == 5
    with pytest.raises(FileNotFoundError, match=r'no proposal store .*x\.arr'):
        comparison_of(data, dict(SOCO, name='f', proposals='x.arrow'))
