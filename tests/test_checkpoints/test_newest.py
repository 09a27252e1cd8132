"""The newest checkpoint of a run that is whole."""

import os

import pytest
import torch

from mmsoco.checkpoints.newest import (
    checkpoints_of,
    find_checkpoint,
    newest_usable,
)


def save(folder, *names):
    for name in names:
        torch.save(dict(state_dict=dict(x=torch.ones(3))), folder / name)


def test_the_note_is_followed(tmp_path):
    save(tmp_path, 'epoch_2.pth', 'epoch_10.pth')
    assert find_checkpoint(tmp_path).name == 'epoch_10.pth'
    note = tmp_path / 'last_checkpoint'
    note.write_text('/moved/from/epoch_2.pth')
    save(tmp_path, 'interim.pth')
    assert find_checkpoint(tmp_path).name == 'epoch_2.pth'


def test_the_folder_of_a_workflow_holds_its_work_dir(tmp_path):
    """`mmsoco pretrain` writes exported weights next to the work dir."""
    (tmp_path / 'checkpoints').mkdir()
    save(tmp_path, 'detector.pth')
    with pytest.raises(FileNotFoundError, match='holds no checkpoint'):
        find_checkpoint(tmp_path)
    save(tmp_path / 'checkpoints', 'epoch_3.pth')
    assert find_checkpoint(tmp_path) == tmp_path / 'checkpoints/epoch_3.pth'
    save(tmp_path, 'epoch_1.pth')
    assert find_checkpoint(tmp_path) == tmp_path / 'epoch_1.pth'


@pytest.mark.parametrize('note', ['', '/elsewhere/iter_7.pth', '/x/gone.pth'])
def test_without_a_good_note(tmp_path, note):
    save(tmp_path, 'iter_5.pth', 'iter_7.pth', 'best_coco.pth', '.iter_9.part')
    (tmp_path / 'last_checkpoint').write_text(note)
    assert find_checkpoint(tmp_path).name == 'iter_7.pth'


def test_times_of_a_copied_folder_say_nothing(tmp_path):
    save(tmp_path, 'epoch_10.pth', 'interim.pth', 'epoch_9.pth')
    for age, name in enumerate(('epoch_9.pth', 'epoch_10.pth', 'interim.pth')):
        os.utime(tmp_path / name, (1e9 - age, 1e9 - age))
    names = [path.name for path in checkpoints_of(tmp_path)]
    assert names == ['interim.pth', 'epoch_10.pth', 'epoch_9.pth']


def test_of_nothing(tmp_path):
    assert newest_usable(tmp_path) == (None, [])
    with pytest.raises(FileNotFoundError, match='holds no checkpoint'):
        find_checkpoint(tmp_path)


def test_a_file_names_itself(tmp_path):
    assert find_checkpoint(tmp_path / 'x.pth') == tmp_path / 'x.pth'


def test_damaged_ones_are_passed_over_and_named(tmp_path, capsys):
    save(tmp_path, 'epoch_1.pth')
    (tmp_path / 'epoch_2.pth').touch()
    assert find_checkpoint(tmp_path).name == 'epoch_1.pth'
    said = capsys.readouterr().err
    assert said == 'Passed over: epoch_2.pth (it is empty).\n'
    (tmp_path / 'epoch_1.pth').write_bytes(b'')
    with pytest.raises(ValueError, match='epoch_2.pth.*epoch_1.pth'):
        find_checkpoint(tmp_path)
