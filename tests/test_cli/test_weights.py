"""The verbs about weights: export, inspect, publish, convert."""

import re
from pathlib import Path

import pytest
import tiny_models
import torch
from command import succeed

from mmsoco.checkpoints.reference import rename_reference


@pytest.fixture
def run(tmp_path) -> Path:
    """A checkpoint of a pretraining run."""
    model = tiny_models.soco(tiny_models.mask_rcnn_fpn(), [(1, 2)])
    path = tmp_path / 'epoch_2.pth'
    meta = dict(epoch=2, iter=8, cfg='seed = 1')
    torch.save(dict(state_dict=model.state_dict(), meta=meta), path)
    return path


def test_export_then_inspect(run, tmp_path):
    out = tmp_path / 'detector.pth'
    assert 'bbox_head: 22' in succeed('export', run, '--out', out)
    text = succeed('inspect', out, '--config')
    assert f'{out}: mmdet' in text
    # Four convolutions with a batch norm each, and a linear layer.
    assert re.search(r'^bbox_head +22 tensors', text, re.MULTILINE)
    assert 'epoch: 2' in text
    assert text.strip().endswith('seed = 1')


def test_export_takes_the_newest_checkpoint_of_a_run(run, tmp_path):
    (run.parent / 'epoch_1.pth').write_bytes(b'older')
    out = tmp_path / 'detector.pth'
    succeed('export', run.parent, out)
    assert torch.load(out, weights_only=True)['meta']['epoch'] == 2


def test_export_of_chosen_parts(run, tmp_path):
    out = tmp_path / 'neck.pth'
    succeed('export', run, '--out', out, '--parts', 'neck')
    state = torch.load(out, weights_only=True)['state_dict']
    assert all(name.startswith('neck.') for name in state)


def test_ours_to_reference_and_back(run, tmp_path):
    theirs, back = tmp_path / 'theirs.pth', tmp_path / 'back.pth'
    convert = ['convert', 'checkpoint']
    succeed(*convert, run, '--out', theirs, '--to', 'reference')
    succeed(*convert, theirs, '--out', back)
    before = torch.load(run)['state_dict']
    after = torch.load(back)['state_dict']
    assert list(before) == list(after)
    assert all(torch.equal(before[name], after[name]) for name in before)
    reference = rename_reference(before, 'reference')
    assert 'encoder.conv1.weight' in reference


def test_inspect_names_what_is_not_finite(run):
    content = torch.load(run, weights_only=True)
    name, tensor = next(iter(content['state_dict'].items()))
    tensor.view(-1)[0] = torch.nan
    torch.save(content, run)
    text = succeed('inspect', run)
    assert re.search(rf'warning: 1 tensors .*not finite.*{name}', text)


def test_inspect_names_types_that_no_detector_takes(tmp_path):
    path = tmp_path / 'quantized.pth'
    state = {
        'backbone.conv1.weight': torch.ones(2, 3, dtype=torch.int8),
        'backbone.bn1.weight': torch.ones(2, dtype=torch.float16),
    }
    torch.save(dict(state_dict=state), path)
    text = succeed('inspect', path)
    assert re.search(r'^backbone +2 .* 8 values  float16, int8$', text, re.M)
    assert re.search(r'warning: 1 weights .*int8.*conv1.*expected flo', text)


def test_publish_takes_the_name_of_the_checkpoint(run, tmp_path):
    text = succeed('publish', run, '--out', tmp_path / 'out')
    [path] = (tmp_path / 'out').iterdir()
    assert path.name.startswith('epoch_2_20')
    assert text == f'wrote {path}\n'


def test_publish_takes_the_folder_of_a_run(run, tmp_path):
    text = succeed('publish', run.parent, '--out', tmp_path / 'out')
    assert Path(text.split()[1]).name.startswith(f'{run.stem}_20')
