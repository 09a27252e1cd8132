"""A work dir belongs to one run, and to one training at a time."""

import os

import pytest
from small_runs import diary, small_runner

from mmsoco.checkpoints.newest import checkpoints_of
from mmsoco.utils.locks import FolderLock

ONE_EPOCH = dict(train_cfg=dict(max_epochs=1))


def files(folder):
    return {
        path: path.read_bytes()
        for path in folder.iterdir()
        if path.is_file() and path.name != '.lock'
    }


def test_an_old_run_is_not_overwritten(tmp_path):
    small_runner(tmp_path, **ONE_EPOCH).train()
    before = files(tmp_path)
    runner = small_runner(tmp_path, **ONE_EPOCH)
    with pytest.raises(
        FileExistsError, match=r'a run already \(epoch_1.pth\).*--resume'
    ):
        runner.train()
    assert files(tmp_path) == before


def test_overwriting_removes_all_of_the_old_run(tmp_path):
    small_runner(tmp_path).train()
    (tmp_path / 'best_bbox_mAP_epoch_2.pth').touch()
    (tmp_path / 'weights.pth').touch()  # no name of a run's
    small_runner(tmp_path, overwrite=True, **ONE_EPOCH).train()
    names = sorted(path.name for path in tmp_path.glob('*.pth'))
    assert names == ['epoch_1.pth', 'weights.pth']


def test_a_run_that_cannot_begin_removes_no_old_one(tmp_path):
    small_runner(tmp_path).train()
    names = sorted(path.name for path in tmp_path.glob('*.pth'))
    # Torch refuses it when the training has claimed the folder.
    fails = dict(optim_wrapper=dict(optimizer=dict(nesterov=True, momentum=0)))
    with pytest.raises(ValueError, match='Nesterov momentum requires'):
        small_runner(tmp_path, overwrite=True, **fails).train()
    assert sorted(path.name for path in tmp_path.glob('*.pth')) == names


def test_logs_alone_are_no_run(tmp_path):
    (tmp_path / '20260101_000000').mkdir()
    small_runner(tmp_path, **ONE_EPOCH).train()
    assert [p.name for p in checkpoints_of(tmp_path)] == ['epoch_1.pth']


@pytest.mark.parametrize('resume', [False, True])
def test_a_second_training_is_refused_by_name(tmp_path, resume):
    with FolderLock(tmp_path, 'training'):
        runner = small_runner(tmp_path, resume=resume)
        before = files(tmp_path)
        with pytest.raises(
            BlockingIOError, match=f'in use: process {os.getpid()} of'
        ):
            runner.train()
        assert files(tmp_path) == before
    runner = small_runner(tmp_path, resume=resume)
    runner.train()
    assert diary(runner).rates


def test_partial_files_stay_while_their_writer_lives(tmp_path):
    others = tmp_path / f'.epoch_1.pth.{os.getppid()}.part'
    dead = tmp_path / '.epoch_1.pth.4194305.part'  # above the largest number
    odd = tmp_path / '.epoch_1.pth.x.part'
    for path in (others, dead, odd):
        path.touch()
    small_runner(tmp_path, **ONE_EPOCH).train()
    assert set(tmp_path.glob('.*.part')) == {others, odd}
