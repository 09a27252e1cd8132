"""Trainings that are killed at random, and checkpoints with random damage."""

import multiprocessing
import os
import random
import signal
import time
import zipfile

import pytest
from real_processes import PATIENCE
from saved_states import differences
from small_runs import diary, small_runner

from mmsoco.checkpoints.integrity import damage
from mmsoco.checkpoints.io import load_run
from mmsoco.checkpoints.newest import newest_usable

KILLS = 60
FLIPS = 300
SETTINGS = dict(
    train_cfg=dict(max_epochs=60),
    param_scheduler=dict(
        type='WarmupCosineLR', warmup=1, convert_to_iter_based=True
    ),
    default_hooks=dict(checkpoint=dict(max_keep_ckpts=2)),
)


def without_log(checkpoint):
    """What prints alike if it is alike; the log's objects do not."""
    return {k: v for k, v in checkpoint.items() if k != 'message_hub'}


def train_slowly(work_dir, workers):
    loader = dict(train_dataloader=dict(num_workers=workers))
    runner = small_runner(work_dir, resume=True, **SETTINGS, **loader)
    diary(runner).on_iter = lambda _: time.sleep(0.01)
    runner.train()


@pytest.mark.slow
@pytest.mark.parametrize(
    ('sent', 'workers'),
    [(signal.SIGKILL, 0), (signal.SIGTERM, 0), (signal.SIGTERM, 2)],
)
def test_kills_at_random_moments_lose_nothing(tmp_path, sent, workers):
    """The workers, which are begun anew in each epoch, get the signal too."""
    small_runner(tmp_path / 'whole', **SETTINGS).train()
    work = tmp_path / 'killed'
    work.mkdir()
    rng = random.Random(0)
    context = multiprocessing.get_context('fork')
    landed = 0
    for _ in range(KILLS):
        process = context.Process(target=train_slowly, args=(work, workers))
        process.start()
        # By the parent: a slow child may not have come to it before the kill.
        os.setpgid(process.pid, process.pid)
        time.sleep(rng.uniform(0.05, 0.6 + workers))
        if process.is_alive():
            os.killpg(process.pid, sent)
            landed += 1
        process.join(PATIENCE)
        # Killed, or stopped in order; not failed.
        assert process.exitcode in (0, -sent, 128 + sent)
        path, passed = newest_usable(work)
        assert not passed
        if path is not None and path.name == 'epoch_60.pth':
            break
    small_runner(work, resume=True, **SETTINGS).train()
    assert differences(tmp_path / 'whole', work, 'epoch_60.pth') == []
    assert not list(work.glob('.*.part'))
    print(f'{landed} kills by {sent.name} survived')


@pytest.mark.slow
def test_random_bits_of_a_checkpoint(tmp_path):
    """A flipped bit is noticed, or changes nothing that is loaded."""
    small_runner(tmp_path, train_cfg=dict(max_epochs=1)).train()
    path = tmp_path / 'epoch_1.pth'
    good = path.read_bytes()
    expected = str(without_log(load_run(path)))
    rng = random.Random(0)
    noticed = 0
    for _ in range(FLIPS):
        bad = bytearray(good)
        bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
        path.write_bytes(bad)
        if damage(path) is not None:
            noticed += 1
            continue
        try:
            found = load_run(path)
        except ValueError:  # named, with the file
            noticed += 1
            continue
        assert str(without_log(found)) == expected
    print(f'{noticed} of {FLIPS} flipped bits noticed, the others harmless')
    assert noticed > FLIPS // 3


def test_random_cuts_of_a_checkpoint(tmp_path):
    small_runner(tmp_path, train_cfg=dict(max_epochs=1)).train()
    path = tmp_path / 'epoch_1.pth'
    good = path.read_bytes()
    rng = random.Random(0)
    for size in [
        0,
        1,
        3,
        4,
        5,
        len(good) - 1,
        *rng.sample(range(len(good)), 20),
    ]:
        path.write_bytes(good[:size])
        if damage(path) is None:
            with pytest.raises(ValueError, match='epoch_1.pth'):
                load_run(path)


def test_an_archive_that_is_no_checkpoint(tmp_path):
    path = tmp_path / 'epoch_1.pth'
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('readme.txt', 'hello')
    with pytest.raises(ValueError, match='epoch_1.pth .*no checkpoint|read'):
        small_runner(tmp_path, resume=True).train()
