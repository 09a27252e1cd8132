"""No location and no loader runs what a checkpoint's pickle asks for."""

import io
import math
import os
import pickle
import sys
from types import SimpleNamespace

import pytest
import torch
from canary import Canary, quiet_canary
from mmengine.model import BaseModule
from mmengine.runner import checkpoint as mmengine_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader, load_checkpoint
from storage_backends import web_server
from torch import nn

from mmsoco.checkpoints.guard import not_finite, tensors_only
from mmsoco.checkpoints.io import RefusedCheckpointError

NAME = 'poisoned.pth'


@pytest.fixture(autouse=True)
def canary(monkeypatch):
    with quiet_canary(monkeypatch):
        yield


def content():
    return dict(state_dict=dict(weight=torch.ones(2, 2)), extra=Canary())


def write_zip(path):
    torch.save(content(), path)


def write_old(path):
    torch.save(content(), path, _use_new_zipfile_serialization=False)


def write_pickle(path):
    path.write_bytes(pickle.dumps(content()))


@pytest.fixture(params=[write_zip, write_old, write_pickle])
def poisoned(request, tmp_path):
    path = tmp_path / NAME
    request.param(path)
    return path


@pytest.fixture
def server(tmp_path, monkeypatch):
    """The address of the folder; downloads go to a cache of the test."""
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'cache'))
    monkeypatch.setenv('no_proxy', '*')
    with web_server(tmp_path) as address:
        yield address


def local_spellings(poisoned, monkeypatch):
    folder = poisoned.parent
    monkeypatch.setenv('HOME', str(folder))
    monkeypatch.chdir(folder)
    (folder / 'link.pth').symlink_to(poisoned)
    return [
        str(poisoned),
        poisoned,  # no text but a Path
        NAME,
        f'./x/../{NAME}',
        f'~/{NAME}',
        'link.pth',
        f'file://{poisoned}',
        f'FILE://localhost{poisoned}',
        f'file:{poisoned}',
    ]


def test_local_files(poisoned, monkeypatch):
    (poisoned.parent / 'x').mkdir()
    for spelling in local_spellings(poisoned, monkeypatch):
        with pytest.raises(RefusedCheckpointError, match='Nothing of it was'):
            CheckpointLoader.load_checkpoint(spelling)


def test_downloads(poisoned, server, monkeypatch):
    address = f'{server}/{NAME}'
    tables = {
        'get_torchvision_models': lambda: dict(resnet50=address),
        'get_external_models': lambda: dict(a=address, b=str(poisoned)),
        'get_mmcls_models': lambda: dict(resnet50=address),
    }
    for name, table in tables.items():
        monkeypatch.setattr(mmengine_checkpoint, name, table)
    for location in (
        address,
        'torchvision://resnet50',
        'modelzoo://resnet50',
        'open-mmlab://a',
        'openmmlab://a',
        'open-mmlab://b',
        'mmcls://resnet50',
    ):
        with pytest.raises(RefusedCheckpointError):
            CheckpointLoader.load_checkpoint(location)
        assert [*(poisoned.parent / 'cache/hub/checkpoints').rglob(NAME)]


@pytest.mark.parametrize('scheme', ['torchvision', 'open-mmlab', 'mmcls'])
def test_names_that_no_table_has(scheme):
    with pytest.raises(
        ValueError, match=f"{scheme}://nothing: there are no weights .*'noth"
    ):
        CheckpointLoader.load_checkpoint(f'{scheme}://nothing')


def test_object_stores(poisoned, monkeypatch):
    backend = SimpleNamespace(get=lambda _: poisoned.read_bytes())
    monkeypatch.setattr(
        mmengine_checkpoint, 'get_file_backend', lambda *_, **__: backend
    )
    model = SimpleNamespace(
        name=NAME,
        download=lambda to: os.link(poisoned, to),
    )
    monkeypatch.setitem(
        sys.modules,
        'pavi',
        SimpleNamespace(modelcloud=SimpleNamespace(get=lambda _: model)),
    )
    for location in (
        's3://bucket/x.pth',
        'petrel://bucket/x.pth',
        'open-mmlab:s3://bucket/x.pth',
        'pavi://x',
    ):
        with pytest.raises(RefusedCheckpointError):
            CheckpointLoader.load_checkpoint(location)


def test_a_loader_that_tries_again_unguarded(poisoned):
    """As the maintained forks of mmengine do."""

    def load_from_fork(filename, map_location=None):
        try:
            return torch.load(poisoned, weights_only=True)
        except pickle.UnpicklingError:
            return torch.load(poisoned, weights_only=False)

    schemes = dict(CheckpointLoader._schemes)
    CheckpointLoader.register_scheme('fork://', load_from_fork)
    try:
        with pytest.raises(RefusedCheckpointError):
            CheckpointLoader.load_checkpoint('fork://x')
    finally:
        CheckpointLoader._schemes = schemes


@pytest.mark.parametrize('prefix', [None, 'layer.'])
def test_pretrained_parts_of_a_model(poisoned, prefix):
    layer = BaseModule(
        dict(type='Pretrained', checkpoint=str(poisoned), prefix=prefix)
    )
    with pytest.raises(RefusedCheckpointError):
        layer.init_weights()


def test_other_loaders_within_the_guard(poisoned, server):
    loads = (
        lambda: torch.load(poisoned, None, pickle, weights_only=False),
        lambda: torch.load(poisoned, weights_only=False),
        lambda: torch.load(
            io.BytesIO(poisoned.read_bytes()), weights_only=False
        ),
        lambda: torch.hub.load_state_dict_from_url(f'{server}/{NAME}'),
    )
    for load in loads:
        with tensors_only(), pytest.raises(RefusedCheckpointError):
            load()
    assert torch.load.__name__ == 'load'
    assert not hasattr(torch.load, '__wrapped__')  # the guard is gone


def test_the_config_text_of_a_checkpoint_is_not_run(tmp_path):
    """mmengine runs meta.config as Python when it resumes."""
    path = tmp_path / 'run.pth'
    torch.save(dict(meta=dict(config='1/0', epoch=1)), path)
    assert CheckpointLoader.load_checkpoint(path)['meta'] == dict(epoch=1)


def test_good_weights_come_through(tmp_path):
    layer = nn.Linear(2, 2)
    path = tmp_path / 'good.pth'
    torch.save(dict(state_dict=layer.state_dict()), path)
    other = nn.Linear(2, 2)
    load_checkpoint(other, f'file://{path}')
    assert torch.equal(layer.weight, other.weight)
    with pytest.raises(FileNotFoundError, match='nowhere.pth'):
        CheckpointLoader.load_checkpoint(tmp_path / 'nowhere.pth')
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(
        ValueError, match='good.pth is damaged: it is cut short'
    ):
        CheckpointLoader.load_checkpoint(path)


@pytest.mark.parametrize('bad', [float('nan'), float('inf')])
def test_weights_that_are_not_finite_are_refused(tmp_path, bad):
    path = tmp_path / 'nan.pth'
    state = dict(good=torch.ones(2), bad=torch.tensor([1, bad]))
    torch.save(dict(state_dict=state, meta=dict(loss=bad)), path)
    with pytest.raises(
        ValueError, match='nan.pth: 1 tensors .*: state_dict/bad. The train'
    ):
        CheckpointLoader.load_checkpoint(path)


def test_names_of_what_is_not_finite():
    nan = torch.tensor(float('nan'))
    state = dict(optimizer=dict(state={0: dict(v=nan)}), n=torch.tensor(3))
    assert not_finite(state) == ['optimizer/state/0/v']
    assert not_finite([torch.ones(1), (nan,)]) == ['1/0']


@pytest.mark.parametrize(
    'make',
    [
        lambda t: t.to(torch.complex64),
        lambda t: t.to(torch.float8_e4m3fn),
        lambda t: t.to(torch.float8_e5m2),
        lambda t: t.to(torch.bfloat16),
        lambda t: t.double(),
        lambda t: t.to_sparse(),
        lambda t: torch.nested.nested_tensor([t[:1], t]),
        lambda t: t.flip(0)[:1].expand(10**13),
    ],
)
def test_numbers_of_all_types_are_looked_at(make):
    good, bad = torch.tensor([1.0, 0.0]), torch.tensor([1.0, math.nan])
    assert not_finite(dict(x=make(good), y=[make(bad)])) == ['y/0']
