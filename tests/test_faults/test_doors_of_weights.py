"""Weights enter a run as data, by whatever option and spelling."""

from pathlib import Path

import pytest
import torch
from canary import Canary, quiet_canary
from mmengine.model import BaseModel
from small_runs import small_runner
from storage_backends import web_server
from torch import nn

from mmsoco.registry import MODELS

NAME = 'poisoned.pth'


@MODELS.register_module()
class CarelessModel(BaseModel):
    """Loads a file by itself, without any guard."""

    def __init__(self, path, late=False):
        super().__init__()
        self.layer = nn.Linear(1, 1)
        self.path, self.late = path, late
        if not late:
            torch.load(path, weights_only=False)

    def forward(self, inputs, mode):
        """Is never reached."""

    def init_weights(self):
        """Loads it when weights are initialized."""
        if self.late:
            torch.load(self.path, weights_only=False)


@pytest.fixture
def poisoned(tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'cache'))
    monkeypatch.setenv('no_proxy', '*')
    monkeypatch.chdir(tmp_path)
    path = tmp_path / NAME
    torch.save(dict(state_dict={}, extra=Canary()), path)
    (tmp_path / 'link.pth').symlink_to(path)
    with quiet_canary(monkeypatch):
        yield path


@pytest.fixture
def address(tmp_path):
    with web_server(tmp_path) as server:
        yield f'{server}/{NAME}'


SPELLINGS = [
    '{path}', NAME, f'~/{NAME}', 'link.pth', 'file://{path}', '{http}',
]  # fmt: skip


@pytest.mark.parametrize('resume', [False, True])
@pytest.mark.parametrize('spelling', SPELLINGS)
def test_load_from_and_resume(poisoned, address, tmp_path, spelling, resume):
    location = spelling.format(path=poisoned, http=address)
    runner = small_runner(tmp_path / 'work', load_from=location, resume=resume)
    with pytest.raises(ValueError, match='Nothing of it was run'):
        runner.train()


@pytest.mark.parametrize('late', [False, True])
def test_models_that_load_by_themselves(poisoned, tmp_path, late):
    with pytest.raises(ValueError, match='Nothing of it was run'):
        small_runner(
            tmp_path / 'work',
            model=dict(type='CarelessModel', path=str(poisoned), late=late),
        ).train()


def test_pretrained_backbone(poisoned, tmp_path):
    from tiny_models import faster_rcnn

    detector = faster_rcnn()
    detector['backbone']['init_cfg'] = dict(
        type='Pretrained', checkpoint=str(poisoned)
    )
    runner = small_runner(tmp_path / 'work', model=detector)
    with pytest.raises(ValueError, match='Nothing of it was run'):
        runner.train()


def test_a_worker_s_own_files_are_its_own_affair(tmp_path):
    """Outside of the doors of weights nothing is changed."""
    path = tmp_path / 'features.pt'
    torch.save(dict(where=Path('x')), path)
    small_runner(tmp_path / 'work', train_cfg=dict(max_epochs=1))
    assert torch.load(path, weights_only=False)['where'] == Path('x')
