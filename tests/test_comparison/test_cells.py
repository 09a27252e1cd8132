"""The cells of a plan: which there are, in which order, for which shard."""

from pathlib import Path

import comparison_plans
import pytest

from mmsoco.comparison.cells import cells_of, take_shard
from mmsoco.comparison.plan_file import parse_plan, read_plan

BACKBONE = dict(
    name='half', kind='soco', pretrained_by='soco', parts=['backbone'],
    max_seeds=1,
)  # fmt: skip
LONGER = dict(name='longer', kind='scratch', time_of='soco', tier=2)
ROUND = dict(name='second', kind='soco', config='c.py', proposals='soco')
THIRD = dict(ROUND, name='third', proposals='second')


def plan(*further):
    content = comparison_plans.plan(Path('data'))
    content['starts'] = [*content['starts'], *further]
    return parse_plan(content, Path('plan.py'))


def names(*further):
    return [cell.name for cell in cells_of(plan(*further))]


def test_every_start_has_one_cell_before_any_has_two():
    assert names() == [
        'finetuning_scratch_4_seed0',
        'pretraining_soco_seed0',
        'finetuning_soco_4_seed0',
        'finetuning_scratch_4_seed1',
        'pretraining_soco_seed1',
        'finetuning_soco_4_seed1',
    ]


def test_one_pretraining_serves_several_starts():
    found = names(BACKBONE)
    assert found.count('pretraining_soco_seed0') == 1
    assert 'finetuning_half_4_seed0' in found
    assert 'finetuning_half_4_seed1' not in found  # max_seeds
    assert not [name for name in found if name.startswith('pretraining_half')]


def test_higher_tiers_come_last():
    found = names(LONGER, dict(BACKBONE, name='also'))
    assert found.index('finetuning_longer_4_seed0') > found.index(
        'finetuning_also_4_seed0'
    )


@pytest.mark.parametrize(
    'stem',
    ['bins', 'facemask', 'length', 'schedule', 'schedule_4000', 'smoke'],
)
def test_needs_come_before_the_cell(stem):
    path = comparison_plans.CONFIGS / 'comparison' / f'{stem}.py'
    seen = set()
    for cell in cells_of(read_plan(path)):
        assert set(cell.needs) <= seen
        assert cell.name not in seen
        seen.add(cell.name)


def test_the_plan_of_the_tables_has_enough_cells():
    path = comparison_plans.CONFIGS / 'comparison' / 'bins.py'
    assert len(cells_of(read_plan(path))) >= 80


def test_shards_divide_the_cells_and_keep_a_pretraining_with_its_users():
    full = plan(BACKBONE, ROUND, THIRD)
    cells = cells_of(full)
    shards = [take_shard(cells, full, (i, 3)) for i in range(3)]
    assert sorted(c.name for shard in shards for c in shard) == sorted(
        c.name for c in cells
    )
    for shard in shards:
        here = {cell.name for cell in shard}
        for cell in shard:
            assert set(cell.needs) <= here


def test_each_start_with_weights_of_its_own_is_probed(tmp_path):
    content = comparison_plans.plan(
        tmp_path,
        probe=dict(num_train=4, num_val=2),
        starts=[
            dict(name='scratch', kind='scratch'),
            dict(name='soco', kind='soco', config='c.py'),
            dict(name='part', kind='soco', pretrained_by='soco'),
            dict(name='longer', kind='scratch', time_of='soco'),
            dict(name='mine', kind='weights', checkpoint='w.pth'),
        ],
        budgets=[dict(labels=n, seeds=[0]) for n in (4, 8)],
    )
    cells = cells_of(parse_plan(content, tmp_path / 'plan.py'))
    names = [cell.name for cell in cells]
    assert [n for n in names if n.startswith('probe')] == [
        'probe_scratch_seed0',
        'probe_soco_seed0',
        'probe_mine_seed0',
    ]
    at = names.index('probe_soco_seed0')
    assert cells[at].needs == ('pretraining_soco_seed0',)
    assert names[at - 1] == 'pretraining_soco_seed0'
    assert names[at + 1] == 'finetuning_soco_4_seed0'
