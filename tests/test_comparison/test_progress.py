"""What is left of a plan, by hand."""

from pathlib import Path

import comparison_plans
import pytest

from mmsoco.comparison.cells import cells_of
from mmsoco.comparison.plan_file import parse_plan
from mmsoco.comparison.progress import Forecast, remaining
from mmsoco.comparison.records import Record

STARTS = [
    dict(name='scratch', kind='scratch'),
    dict(name='soco', kind='soco', config='c.py'),
    dict(name='long', kind='soco', config='c.py', samples=400),
    dict(name='byol', kind='image-level', config='b.py'),
    dict(name='longer', kind='scratch', time_of='soco'),
]


@pytest.fixture
def plan():
    content = comparison_plans.plan(
        Path('data'),
        starts=STARTS,
        pretraining=dict(samples=100),
        finetuning=dict(steps=10),
        budgets=[
            dict(labels=4, seeds=[0, 1]),
            dict(labels=8, seeds=[0], steps=30),
        ],
    )
    return parse_plan(content, Path('plan.py'))


def made(kind, start, labels=0, seconds=1.0, wall=0.0, **length):
    return Record(
        cell='x', kind=kind, start=start, seed=0, labels=labels,
        fingerprint='f', command='c', seconds=seconds, wall_seconds=wall,
        **length,
    )  # fmt: skip


def expected(plan, records):
    forecast = Forecast(plan, records)
    return {cell.name: forecast.seconds(cell) for cell in cells_of(plan)}


def test_nothing_made_nothing_known(plan):
    assert set(expected(plan, []).values()) == {None}


def test_time_follows_the_length(plan):
    found = expected(
        plan,
        [
            # two seconds a picture, 150 s with all around it
            made('pretraining', 'soco', seconds=200.0, pictures_seen=100),
            # half a second a step; the process took 15 s for 10 steps
            made('finetuning', 'scratch', 4, 5.0, 15.0, steps=10),
        ],
    )
    assert found['pretraining_soco_seed1'] == pytest.approx(200)
    assert found['pretraining_long_seed0'] == pytest.approx(800)
    # no image-level method is made yet: another one's speed
    assert found['pretraining_byol_seed0'] == pytest.approx(200)
    assert found['finetuning_soco_4_seed1'] == pytest.approx(15)
    assert found['finetuning_soco_8_seed0'] == pytest.approx(45)
    # its own steps, and what SoCo's pretraining took
    assert found['finetuning_longer_4_seed0'] == pytest.approx(15 + 200)


def test_cells_of_the_same_start_count_first(plan):
    found = expected(
        plan,
        [
            made('pretraining', 'soco', seconds=200.0, pictures_seen=100),
            made('pretraining', 'long', seconds=100.0, pictures_seen=100),
            made('pretraining', 'byol', seconds=50.0, pictures_seen=100),
            made('pretraining', 'byol', seconds=70.0, pictures_seen=100),
        ],
    )
    assert found['pretraining_soco_seed1'] == pytest.approx(200)
    assert found['pretraining_byol_seed0'] == pytest.approx(60)
    assert found['finetuning_soco_4_seed0'] is None


def test_a_failed_cell_tells_no_time(plan):
    failed = Record(
        'x', 'finetuning', 'scratch', 0, 4, 'f', 'c', status='failed',
        error='the disk is full', seconds=9.0, steps=10,
    )  # fmt: skip
    assert expected(plan, [failed])['finetuning_scratch_4_seed0'] is None
    cell = next(c for c in cells_of(plan) if c.start == 'scratch')
    state = Forecast(plan, [failed]).state(cell, failed)
    assert str(state).split(maxsplit=1)[1] == 'failed: the disk is full'


def test_the_rest_in_a_line(plan):
    record = made('finetuning', 'scratch', 4, 120.0, steps=10)
    forecast = Forecast(plan, [record])
    cells = cells_of(plan)
    states = [
        forecast.state(c, record if i == 0 else None)
        for i, c in enumerate(cells)
    ]
    text = remaining(states)
    pretrainings = sum(c.kind == 'pretraining' for c in cells)
    assert text.startswith(f'1 of {len(cells)} cells done; ')
    # of 10 steps each but the five on 8 labels, which are of 30
    fine_tunings = len(cells) - pretrainings - 1
    seconds = 120 * (fine_tunings + 2 * 5)
    assert f'about {seconds / 60:.0f} min, one' in text
    assert f'; {pretrainings} are unlike any' in text
    assert remaining(states[:1]) == '1 of 1 cells done'
