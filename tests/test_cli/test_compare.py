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


def listed(text):
    """Return the names of the cells that are to do."""
    lines = text.splitlines()
    return [line.split()[0] for line in lines if line.endswith('to do')]


def test_status_lists_the_cells_and_makes_none(plan, tmp_path):
    out = tmp_path / 'out'
    args = ('compare', plan, '--out', out)
    text = succeed(*args, '--status')
    cells = listed(text)
    assert len(cells) == 6
    assert cells[0] == 'finetuning_scratch_4_seed0'
    assert not (out / 'cells').exists()

    shares = [
        listed(succeed(*args, '--shard', f'{i}/2', '--status'))
        for i in range(2)
    ]
    assert sorted(sum(shares, [])) == sorted(cells)
    assert all(shares)
    text = succeed(*args, '--only', cells[1], '--status')
    assert listed(text) == cells[1:2]


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
