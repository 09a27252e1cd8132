"""Data workers leave stop signals to their training, and end with it."""

import os
import subprocess
import time

import pytest
import torch
from torch.utils.data import DataLoader, Dataset, _utils

from mmsoco.engine.data_workers import shield_workers


class Pids(Dataset):
    """The process that reads each sample, and how it was begun."""

    begun = 0

    def __len__(self):
        return 40

    def __getitem__(self, index):
        return torch.tensor([os.getpid(), self.begun])


class Hanging(Dataset):
    """Samples that never come."""

    def __len__(self):
        return 2

    def __getitem__(self, index):
        time.sleep(600)


class OwnLoader(DataLoader):
    """A loader of a user's own."""


def note_worker(worker):
    """Note which worker this is."""
    Pids.begun = worker + 1


def signal_all(pids):
    """As `kill -TERM -- -PGID` reaches them: from outside."""
    words = [str(int(pid)) for pid in pids]
    for name in ('-TERM', '-HUP', '-INT'):
        subprocess.run(['/bin/kill', name, *words], check=True)


@pytest.mark.parametrize('persistent', [False, True])
@pytest.mark.parametrize('kind', [DataLoader, OwnLoader])
def test_signals_to_the_workers_lose_no_sample(kind, persistent):
    loader = kind(
        Pids(),
        num_workers=2,
        persistent_workers=persistent,
        worker_init_fn=note_worker,
    )
    assert shield_workers(shield_workers(loader)) is loader
    assert isinstance(loader, kind)
    for _ in range(2):
        batches = []
        for batch in loader:
            batches.append(batch[0].tolist())
            if len(batches) == 2:  # one of each worker
                signal_all(pid for pid, _ in batches)
        assert len(batches) == 40
        assert len({pid for pid, _ in batches}) == 2
        assert {begun for _, begun in batches} == {1, 2}


def test_workers_that_hang_are_ended(monkeypatch):
    monkeypatch.setattr(_utils, 'MP_STATUS_CHECK_INTERVAL', 0.5)
    loader = shield_workers(DataLoader(Hanging(), num_workers=2))
    batches = iter(loader)
    workers = batches._workers
    assert all(worker.is_alive() for worker in workers)
    del batches  # waits for them, and then calls terminate()
    for worker in workers:
        worker.join(30)
    assert [worker.exitcode for worker in workers] == [0, 0]
