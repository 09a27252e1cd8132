"""The command lines of tools/model_converters."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import tiny_models
import torch

from mmsoco.checkpoints.reference import rename_reference


@pytest.fixture
def tool(repo_dir: Path):
    """Imports a tool by its name."""

    def load(name: str) -> ModuleType:
        path = repo_dir / 'tools' / 'model_converters' / f'{name}.py'
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def run(tmp_path) -> Path:
    """A checkpoint of a pretraining run."""
    model = tiny_models.soco(tiny_models.mask_rcnn_fpn(), [(1, 2)])
    path = tmp_path / 'epoch_2.pth'
    meta = dict(epoch=2, iter=8, cfg='seed = 1')
    torch.save(dict(state_dict=model.state_dict(), meta=meta), path)
    return path


def test_export_then_inspect(tool, run, tmp_path, capsys):
    out = tmp_path / 'detector.pth'
    tool('export_detector').main([str(run), str(out)])
    assert 'bbox_head: 26' in capsys.readouterr().out
    tool('inspect_checkpoint').main([str(out), '--config'])
    text = capsys.readouterr().out
    assert f'{out}: mmdet' in text
    assert 'epoch: 2' in text
    assert text.strip().endswith('seed = 1')


def test_export_takes_the_newest_checkpoint_of_a_run(tool, run, tmp_path):
    (run.parent / 'epoch_1.pth').write_bytes(b'older')
    out = tmp_path / 'detector.pth'
    tool('export_detector').main([str(run.parent), str(out)])
    assert torch.load(out, weights_only=True)['meta']['epoch'] == 2


def test_export_of_chosen_parts(tool, run, tmp_path):
    out = tmp_path / 'neck.pth'
    tool('export_detector').main([str(run), str(out), '--parts', 'neck'])
    state = torch.load(out, weights_only=True)['state_dict']
    assert all(name.startswith('neck.') for name in state)


def test_ours_to_reference_and_back(tool, run, tmp_path):
    theirs, back = tmp_path / 'theirs.pth', tmp_path / 'back.pth'
    main = tool('convert_reference').main
    main([str(run), str(theirs), '--to', 'reference'])
    main([str(theirs), str(back)])
    before = torch.load(run)['state_dict']
    after = torch.load(back)['state_dict']
    assert list(before) == list(after)
    assert all(torch.equal(before[name], after[name]) for name in before)
    reference = rename_reference(before, 'reference')
    assert 'encoder.conv1.weight' in reference


def test_publish_takes_the_name_of_the_checkpoint(tool, run, tmp_path, capsys):
    tool('publish_model').main([str(run), str(tmp_path / 'out')])
    [path] = (tmp_path / 'out').iterdir()
    assert path.name.startswith('epoch_2_20')
    assert capsys.readouterr().out == f'wrote {path}\n'


@pytest.mark.parametrize(
    'name',
    [
        'export_detector',
        'convert_reference',
        'inspect_checkpoint',
        'publish_model',
    ],
)
def test_missing_file_is_one_line(tool, name, tmp_path):
    arguments = [str(tmp_path / 'none.pth'), str(tmp_path / 'out.pth')]
    count = 1 if name == 'inspect_checkpoint' else 2
    with pytest.raises(SystemExit, match=r'^error: .*none\.pth'):
        tool(name).main(arguments[:count])
