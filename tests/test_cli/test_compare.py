"""`mmsoco compare` and `mmsoco pilot` as a user types them."""

import comparison_plans
import pytest
from command import call, succeed


@pytest.fixture
def plan(tmp_path):
    """A plan's file with its data."""
    root = comparison_plans.data_set(tmp_path / 'data')
    content = comparison_plans.plan(root)
    path = tmp_path / 'plan.py'
    path.write_text(
        '\n'.join(f'{key} = {value!r}' for key, value in content.items())
    )
    return path


def test_status_lists_the_cells_and_makes_none(plan, tmp_path):
    out = tmp_path / 'out'
    text = succeed('compare', plan, '--out', out, '--status')
    lines = [x for x in text.splitlines() if x.endswith('to do')]
    assert len(lines) == 6
    assert lines[0].startswith('finetuning_scratch_4_seed0')
    assert not (out / 'cells').exists()


def refused(*argv) -> str:
    outcome = call(*argv)
    assert outcome.status != 0
    assert 'Traceback' not in outcome.err
    return outcome.err


def test_bad_input_is_one_line(plan, tmp_path):
    out = ('--out', tmp_path / 'out')
    assert 'no cell' in refused('compare', plan, *out, '--only', 'x')
    plan.write_text(plan.read_text().replace('budgets', 'budgest'))
    assert "did you mean 'budgets'" in refused('compare', plan, *out)


def test_pilot_names_what_is_missing(tmp_path):
    root = comparison_plans.data_set(tmp_path / 'data')
    labels = ('--train', root / 'train.json', '--val', root / 'val.json')
    message = refused('pilot', tmp_path / 'run', *labels)
    assert 'detector.pth' in message
