"""The status of `mmsoco doctor` follows its findings."""

import pytest
from command import call

from mmsoco import doctor
from mmsoco.doctor import FAIL, OK, WARN, Finding


@pytest.mark.parametrize(
    ('statuses', 'status'),
    [([OK, OK], 0), ([OK, WARN], 0), ([FAIL, OK, WARN], 1)],
)
def test_status_is_that_of_the_worst(monkeypatch, statuses, status):
    findings = [Finding(s, f'thing {s}', 'is so', 'do so') for s in statuses]
    monkeypatch.setattr(doctor, 'findings', lambda: iter(findings))
    outcome = call('doctor')
    assert outcome.status == status
    lines = outcome.out.splitlines()
    assert [line.split()[0] for line in lines[: len(statuses)]] == statuses
