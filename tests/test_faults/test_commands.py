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
# Where a run that was begun keeps its log and its traceback.
OF_RUNS = ('work_dirs', 'run')


@pytest.fixture(scope='module')
def filled(tmp_path_factory):
    root = tmp_path_factory.mktemp('faults')
    fill(root)
    return root


@pytest.fixture
def sandbox(filled, monkeypatch):
    """The folder of good and bad files, which no command may change."""
    monkeypatch.chdir(filled)
    before = contents(filled)
    yield filled
    after = contents(filled)
    for path in map(filled.joinpath, after.keys() - before.keys()):
        if path.is_file():
            path.unlink()
        else:
            shutil.rmtree(path, ignore_errors=True)
    for name in OF_RUNS:
        shutil.rmtree(filled / name, ignore_errors=True)
    assert after == before


def contents(root):
    """Files by name, with their sizes, and folders; those of runs may come."""
    return {
        str(path.relative_to(root)): path.is_file() and path.stat().st_size
        for path in sorted(root.rglob('*'))
        if path.relative_to(root).parts[0] not in OF_RUNS
    }


def faults(outcome, pattern):
    """What is wrong with the way in which a command refused its input."""
    text = outcome.out + outcome.err
    found = {
        'another status': outcome.status not in (1, 2),
        'no error': not re.search('^error: ', outcome.err, re.MULTILINE),
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
