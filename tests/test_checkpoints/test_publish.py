"""Published files: their name, what they hold, what they leave behind."""

import hashlib
import subprocess
import sys
from datetime import date

import pytest
import torch
from mmengine.logging import MessageHub

from mmsoco.checkpoints.io import load_run
from mmsoco.checkpoints.publish import publish

STATE = {'encoder.backbone.conv1.weight': torch.ones(2)}


@pytest.fixture
def run(tmp_path):
    hub = MessageHub('publish')
    hub.update_scalar('train/loss', 1.0)
    content = dict(
        state_dict=STATE,
        optimizer=dict(state=torch.zeros(1000)),
        message_hub=hub.state_dict(),
        meta=dict(epoch=7, cfg='seed = 1'),
    )
    torch.save(content, tmp_path / 'epoch_7.pth')
    return tmp_path / 'epoch_7.pth'


def test_name_has_date_and_hash_of_the_file(run, tmp_path):
    path = publish(run, tmp_path / 'out', 'soco', date(2026, 1, 31))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    assert path.name == f'soco_20260131-{digest}.pth'
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_weights_and_manifest_alone_remain(run, tmp_path):
    path = publish(run, tmp_path, 'soco')
    content = torch.load(path, weights_only=True)
    assert set(content) == {'state_dict', 'meta'}
    [weight] = content['state_dict'].values()
    assert torch.equal(weight, torch.ones(2))
    meta = content['meta']
    assert (meta['epoch'], meta['config'], meta['layout']) == (
        7,
        'seed = 1',
        'mmsoco',
    )


def test_manifest_of_an_export_is_kept(tmp_path):
    meta = dict(parts=dict(neck=1), layout='mmdet', source_sha256='abc')
    source = tmp_path / 'detector.pth'
    torch.save(dict(state_dict=STATE, meta=meta), source)
    path = publish(source, tmp_path, 'detector')
    found = torch.load(path, weights_only=True)['meta']
    assert len(found.pop('tensors_sha256')) == 64
    assert found == meta


def test_classes_of_a_detector_are_kept(run, tmp_path):
    """Without them, mmdet's inference names the first classes of COCO."""
    content = load_run(run)
    classes = ('bolt', 'nut')
    name = 'roi_head.bbox_head.fc_cls.weight'
    content['state_dict'] = {name: torch.ones(3)}
    content['meta']['dataset_meta'] = dict(classes=classes, palette=None)
    torch.save(content, run)

    path = publish(run, tmp_path / 'out', 'detector')

    meta = torch.load(path, weights_only=True)['meta']
    assert meta['dataset_meta'] == dict(classes=classes, palette=None)
    assert meta['source'] == run.name


def test_weights_that_are_not_finite_are_not_published(run, tmp_path):
    content = load_run(run)
    content['state_dict'] = {'neck.bias': torch.tensor([1.0, torch.nan])}
    torch.save(content, run)
    with pytest.raises(ValueError, match='not finite.*neck.bias'):
        publish(run, tmp_path / 'out', 'soco')
    assert not (tmp_path / 'out').exists()


def test_what_a_killed_call_left_is_removed(run, tmp_path):
    code = (
        'import os, sys; from mmsoco.checkpoints import publish\n'
        'publish.torch.save = lambda content, path: (\n'
        '    path.write_text("half"), os.kill(os.getpid(), 9))\n'
        'publish.publish(*sys.argv[1:])'
    )
    out = tmp_path / 'out'
    subprocess.run([sys.executable, '-c', code, run, out, 'soco'])
    [left] = out.iterdir()
    path = publish(run, out, 'soco-400e')
    assert set(out.iterdir()) == {left, path}
    other = publish(run, out, 'soco')
    assert set(out.iterdir()) == {path, other}


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'none\.pth'):
        publish(tmp_path / 'none.pth', tmp_path, 'x')
