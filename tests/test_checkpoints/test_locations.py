"""Spellings of where weights lie, and what comes from there."""

import pytest
import torch
from mmengine.runner.checkpoint import CheckpointLoader
from storage_backends import web_server

from mmsoco.checkpoints.locations import load_weights, local_file

STATE = {'layer1.0.conv1.weight': torch.ones(2)}


@pytest.fixture
def file(tmp_path):
    torch.save(STATE, tmp_path / 'weights.pth')
    return tmp_path / 'weights.pth'


@pytest.fixture
def address(file):
    with web_server(file.parent) as server:
        yield f'{server}/weights.pth'


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'torch'))
    return tmp_path / 'torch' / 'hub'


def test_files_in_any_spelling(file):
    for location in (file, str(file), f'file://{file}'):
        assert local_file(location) == file
    assert load_weights(file).keys() == STATE.keys()


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(IsADirectoryError, match='name the checkpoint itself'):
        local_file(tmp_path)


def test_address_is_downloaded_once(address, cache):
    for _ in range(2):
        path = local_file(address)
        assert path.parent.parent == cache / 'checkpoints'
        assert load_weights(path).keys() == STATE.keys()
    assert [p.name for p in path.parent.iterdir()] == ['weights.pth']


def test_files_of_the_same_name_are_not_mixed_up(address, file, cache):
    """Both doors: ours, and mmengine's."""
    (file.parent / 'other').mkdir()
    for folder, value in (('', 1), ('other/', 2)):
        state = dict(weight=torch.full((1,), float(value)))
        torch.save(state, file.parent / folder / 'weights.pth')
    other = address.replace('weights', 'other/weights')
    for load in (load_weights, CheckpointLoader.load_checkpoint):
        found = [load(place)['weight'].item() for place in (address, other)]
        assert found == [1, 2]


def test_a_name_with_a_hash_is_found_in_the_cache(address, cache):
    """Put there by torch, or by hand on a machine without a network."""
    path = cache / 'checkpoints' / 'resnet50-0676ba61.pth'
    path.parent.mkdir(parents=True)
    torch.save(STATE, path)
    assert local_file(address.replace('weights', path.stem)) == path


def test_address_without_a_file_leaves_nothing(address, cache):
    with pytest.raises(OSError, match=r"could not be.*init='scratch'"):
        local_file(address.replace('weights', 'none'))
    assert not list(cache.glob('**/*.pth'))


@pytest.mark.parametrize(
    ('location', 'message'),
    [
        ('torchvision://resnet1', "no weights 'resnet1'"),
        ('bucket://a/b.pth', r'not a location of weights.*torchvision://'),
    ],
)
def test_unknown_locations_are_refused(location, message):
    with pytest.raises(ValueError, match=message):
        local_file(location)
