"""Bits that flip and files that are cut: noticed, and never a signal."""

import numpy as np
import pytest
from command import python
from old_store import write_old

from mmsoco.proposals import store as store_module
from mmsoco.proposals.store import (
    ProposalRecord,
    ProposalStore,
    ProposalStoreWriter,
)

# Reads each damaged file, and prints what came of it: a new process, since a
# signal would end the tests too.
READER = """
import sys
import numpy as np
from mmsoco.proposals.store import ProposalStore, StoreError

source, damaged, kind = sys.argv[1:4]
numbers = [int(number) for number in sys.argv[4:]]

def read(path):
    store = ProposalStore(path)
    rows = [
        (r.file_name, r.height, r.width, r.bboxes.tolist(), r.fallback)
        for r in store
    ]
    return rows, store.metadata

good = read(source)
data = open(source, 'rb').read()
for number in numbers:
    if kind == 'flip':
        changed = np.frombuffer(data, np.uint8).copy()
        changed[number // 8] ^= 1 << number % 8
    else:
        changed = np.frombuffer(data[:number], np.uint8)
    changed.tofile(damaged)
    try:
        outcome = 'harmless' if read(damaged) == good else 'silent'
    except StoreError as error:
        outcome = 'noticed' if damaged in str(error) else 'unnamed'
    print(number, outcome, flush=True)
"""


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A store of four parts."""
    monkeypatch.setattr(store_module, 'ROWS_PER_BATCH', 5)
    rng = np.random.default_rng(0)
    path = tmp_path / 'good.arrow'
    with ProposalStoreWriter(path, {'image_root': 'images'}) as writer:
        for i in range(17):
            corners = np.sort(rng.integers(0, 90, (i % 4, 2, 2)), axis=1)
            boxes = corners.reshape(-1, 4)
            writer.write([ProposalRecord(f'{i:03d}.jpg', 90, 90, boxes)])
    return path


def outcomes(store, kind, numbers):
    damaged = store.with_name('damaged.arrow')
    done = python('-c', READER, store, damaged, kind, *numbers)
    assert done.returncode == 0, (done.stdout[-200:], done.stderr[-2000:])
    lines = [line.split() for line in done.stdout.splitlines()]
    assert len(lines) == len(numbers)
    return {int(number): outcome for number, outcome in lines}


def test_flipped_bits_are_noticed(store):
    bits = store.stat().st_size * 8
    rng = np.random.default_rng(1)
    ends = [*range(8 * 16), *range(bits - 8 * 16, bits)]
    numbers = np.unique([*ends, *rng.integers(0, bits, 500)])
    found = outcomes(store, 'flip', numbers.tolist())
    assert set(found.values()) == {'noticed'}


def test_cuts_are_noticed(store):
    size = store.stat().st_size
    numbers = [*range(0, size, 97), *range(size - 40, size)]
    assert set(outcomes(store, 'cut', numbers).values()) == {'noticed'}


def test_stores_without_checksums_end_no_process(store):
    """They cannot notice every flip, but never hand out bad boxes."""
    old = store.with_name('old.arrow')
    write_old(old, list(ProposalStore(store)))
    rng = np.random.default_rng(2)
    numbers = np.unique(rng.integers(0, old.stat().st_size * 8, 600))
    found = outcomes(old, 'flip', numbers.tolist())
    assert set(found.values()) <= {'noticed', 'harmless', 'silent'}
