"""Pictures that are used twice are found by their bytes."""

import shutil

import comparison_plans
import pytest

from mmsoco.comparison import pictures


@pytest.fixture
def folders(tmp_path):
    comparison_plans.pictures(tmp_path / 'train', 4)
    comparison_plans.pictures(tmp_path / 'val', 2, offset=100)
    return tmp_path / 'train', tmp_path / 'val'


def test_separate_sets_pass(folders):
    train, val = map(pictures.picture_paths, folders)
    assert pictures.check_separate(train, val) == 0


def test_a_copy_under_another_name_is_found(folders):
    train, val = folders
    shutil.copy(train / '2.png', val / 'renamed.png')
    with pytest.raises(ValueError, match=r'1 of 3 .*renamed\.png'):
        pictures.check_separate(*map(pictures.picture_paths, folders))


def test_pictures_of_one_size_are_read_once(tmp_path, monkeypatch):
    paths = [tmp_path / f'{i}.bmp' for i in range(6)]
    for path, content in zip(paths, 'abccde', strict=True):
        path.write_text(content)
    read = []
    monkeypatch.setattr(
        pictures, 'sha256', lambda path: read.append(path) or path.read_bytes()
    )
    assert pictures.same_pictures(paths[:3], paths[3:]) == [paths[3]]
    assert sorted(read) == paths


def test_fingerprint_sees_names_and_sizes(folders):
    train, _ = folders
    before = pictures.fingerprint(train, pictures.picture_paths(train))
    (train / '0.png').rename(train / '9.png')
    after = pictures.fingerprint(train, pictures.picture_paths(train))
    assert before != after


def test_missing_pictures_are_named(folders):
    document = comparison_plans.labels(6)
    with pytest.raises(FileNotFoundError, match=r'2 of 6 .*4\.png'):
        pictures.labelled_paths(folders[0], document)


def test_empty_folder(tmp_path):
    with pytest.raises(ValueError, match='no pictures'):
        pictures.picture_paths(tmp_path)
