"""Plans: what is read, and what bad input gets."""

from pathlib import Path

import comparison_plans
import pytest

from mmsoco.comparison.plan_file import parse_plan, read_plan

PLANS = sorted((comparison_plans.CONFIGS / 'comparison').glob('*.py'))
WHERE = Path('here/plan.py')


def parse(**changes):
    return parse_plan(comparison_plans.plan(Path('data'), **changes), WHERE)


@pytest.mark.parametrize('path', PLANS, ids=lambda p: p.stem)
def test_shipped_plans_are_valid_and_name_configs_that_exist(path):
    plan = read_plan(path)
    assert plan.config_path(plan.detector).is_file()
    for start in plan.starts:
        if start.config:
            assert plan.config_path(start.config).is_file()


def test_data_root_can_be_given():
    plan = read_plan(PLANS[0], data_root='elsewhere')
    assert str(plan.data.path('labels')).startswith('elsewhere')


def test_missing_plan():
    with pytest.raises(FileNotFoundError, match='configs/comparison'):
        read_plan('nowhere.py')


def start(**keys):
    return dict(dict(name='x', kind='weights', checkpoint='w.pth'), **keys)


SCRATCH = dict(name='scratch', kind='scratch')
SOCO = dict(name='soco', kind='soco', config='c.py')


@pytest.mark.parametrize(
    ('starts', 'message'),
    [
        ([SCRATCH, start(kind='moco')], "unknown kind 'moco'"),
        ([SCRATCH, SCRATCH], 'stand more than once'),
        ([SOCO], 'the first start'),
        ([SCRATCH, start(checkpoint=None)], 'needs checkpoint'),
        ([SCRATCH, dict(SOCO, config=None)], 'needs config'),
        ([SCRATCH, dict(SOCO, checkpoint='w')], 'does not apply to'),
        ([SCRATCH, start(pretrained_by='y')], "unknown start 'y'"),
        ([SCRATCH, start(time_of='y')], "unknown start 'y'"),
        ([SCRATCH, start(time_of='scratch')], 'another start that is pre'),
        ([SCRATCH, start(name='a/b')], 'letters, digits'),
        ([SCRATCH, start(budgets=[5])], 'budgets that the plan does not'),
        ([SCRATCH, start(kinds='x')], "did you mean 'kind'"),
        ([SCRATCH, dict(SOCO, filters=dict(min_sise=8))],
         "start 'soco': filters: .*did you mean 'min_size'"),
        ([SCRATCH, SOCO, dict(SOCO, name='y', config='d.py', time_of='soco')],
         'its speed must be known'),
        ([SCRATCH, dict(name='y', kind='soco', pretrained_by='scratch')],
         'with a pretraining of its own'),
    ],
)  # fmt: skip
def test_bad_starts(starts, message):
    with pytest.raises(ValueError, match=message):
        parse(starts=starts)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(name=3), 'plan.py: name expects a text, got 3'),
        (dict(pretraining=dict(samples='48')), 'samples expects an integer'),
        (dict(pretraining=dict(samples=0)), 'samples expects 1 or more'),
        (dict(pretraining=dict(batch_size=0)), 'batch_size expects 1 or mo'),
        (dict(finetuning=dict(steps=2.5)), 'steps expects an integer'),
        (dict(finetuning=dict(amp='float16')), 'amp expects bf16 or fp16'),
        (dict(probe=dict(num_val=0)), 'probe: num_val expects 1 or more'),
        (dict(probe=dict(image_size=320)), 'a list of 2 values, each an int'),
        (dict(budgets=[dict(labels=4, seeds=[0, 1, 0])]), r'\[0\] stand more'),
        (dict(budgets=[dict(labels=4, seeds=[0])] * 2), r'\[4\] stand more'),
        (dict(budgets=[dict(labels=0, seeds=[0])]), 'expected labels and'),
        (dict(budgets=[dict(labels=4, seeds=[])]), 'expected labels and'),
        (dict(budgets=[dict(labels='4', seeds=[0])]), 'labels expects an int'),
        (dict(budgets=[dict(labels=4, seeds=3)]), 'seeds expects a list'),
        (dict(budgets=[dict(labels=4, seeds=[-1])]), 'seeds expects 0 or mor'),
        (dict(data=dict(root='x', held_out='9')), 'held_out expects an int'),
        (dict(data=dict(root='x', filters=dict(min_size='9'))), 'each with a'),
        (dict(starts=[start(name=5)]), r'starts\[0\]: name expects a text'),
        (dict(starts=[start(parts='neck')]), 'parts expects a list of val'),
        (dict(starts=[start(parts=['spine'])]), "backbone or .* got 'spine'"),
        (dict(starts=[start(max_seeds=0)]), 'max_seeds expects 1 or more'),
        (dict(starts=[start(max_seeds=True)]), 'integer or None, got True'),
        (dict(starts=[start(options=['a=1'])]), 'options expects a dict of'),
        (dict(starts=[start(tier='a')]), 'tier expects an integer'),
    ],
)
def test_values_that_no_cell_could_use(changes, message):
    with pytest.raises((TypeError, ValueError), match=message):
        parse(**changes)


def test_seeds_may_be_a_range():
    plan = parse(budgets=[dict(labels=4, seeds=range(3))])
    assert plan.budgets[0].seeds == (0, 1, 2)


def test_unknown_and_missing_keys():
    with pytest.raises(ValueError, match="did you mean 'starts'"):
        parse(start=[])
    content = comparison_plans.plan(Path('data'))
    del content['detector']
    with pytest.raises(ValueError, match='missing detector'):
        parse_plan(content, WHERE)
    with pytest.raises(TypeError, match='expected a dict'):
        parse(data='data/bins')
    with pytest.raises(TypeError, match='list of dicts'):
        parse(starts={})


def test_data_without_a_folder():
    with pytest.raises(ValueError, match='data.root'):
        parse(data=dict(source='nowhere'))


def test_missing_config_is_named():
    plan = parse(starts=[SCRATCH, SOCO])
    with pytest.raises(FileNotFoundError, match=r"'c\.py' relative to"):
        plan.config_path('c.py')
    assert plan.config_path('mmsoco::comparison/bins.py').is_file()
