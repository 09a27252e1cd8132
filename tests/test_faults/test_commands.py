"""Every verb against bad input: a status, a message, nothing half-written."""

import re
import shlex
import shutil

import pytest
from command import call
from faulty_commands import QUICK
from faulty_files import fill
from faulty_settings import BUILT

CASES = [case for table in QUICK for case in table]


@pytest.fixture(scope='module')
def filled(tmp_path_factory):
    root = tmp_path_factory.mktemp('faults')
    fill(root)
    return root


@pytest.fixture
def sandbox(filled, monkeypatch):
    """The folder of good and bad files, which no command may change."""
    monkeypatch.chdir(filled)
    before, there = contents(filled), set(filled.iterdir())
    yield filled
    after = contents(filled)
    for path in set(filled.iterdir()) - there:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    changed = {
        name for name in before | after if before.get(name) != after.get(name)
    }
    assert not changed


def contents(root):
    """Sizes of all files by name; the folders of runs may come."""
    return {
        str(path.relative_to(root)): path.stat().st_size
        for path in sorted(root.rglob('*'))
        if path.is_file()
        and path.relative_to(root).parts[0] not in ('work_dirs', 'run')
    }


def faults(outcome, pattern):
    """What is wrong with the way in which a command refused its input."""
    text = outcome.out + outcome.err
    found = {
        'it did not fail': outcome.status in (0, None),
        'a traceback': 'Traceback (most recent' in text,
        f'nothing like {pattern}': not re.search(
            pattern, outcome.err.strip(), re.DOTALL
        ),
    }
    return {fault: text for fault, is_there in found.items() if is_there}


def test_there_are_at_least_300_cases():
    assert len(CASES) + len(BUILT) >= 300
    lines = [command for command, _ in CASES]
    assert len(set(lines)) == len(lines)


@pytest.mark.parametrize(
    ('command', 'pattern'), CASES, ids=[command for command, _ in CASES]
)
def test_bad_input_is_named(sandbox, command, pattern):
    assert faults(call(*shlex.split(command)), pattern) == {}


@pytest.mark.parametrize(
    ('option', 'pattern'), BUILT, ids=[option for option, _ in BUILT]
)
def test_setting_that_does_not_fit_is_named(sandbox, option, pattern):
    name = f'experiment_name=fault-{abs(hash(option))}'
    outcome = call('train', 'soco.py', '--cfg-options', name, option)
    assert faults(outcome, pattern) == {}
