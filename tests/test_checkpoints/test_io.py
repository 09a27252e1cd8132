"""Reading without running code, writing without half-written files."""

import argparse
import math
import os

import pytest
import torch
from mmengine.logging import MessageHub

from mmsoco.checkpoints import io


class Foreign:
    """A type that no checkpoint of ours holds."""


def test_own_run_with_logged_history_loads(tmp_path):
    hub = MessageHub('io')
    for value in (1.0, 2.0):
        hub.update_scalar('train/loss', value)
    path = tmp_path / 'run.pth'
    torch.save(dict(message_hub=hub.state_dict()), path)
    scalars = io.load_run(path)['message_hub']['log_scalars']
    assert scalars['train/loss'].data[0].tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match='HistoryBuffer|getattr'):
        io.load(path)


def test_stand_in_hands_out_no_other_attribute():
    with pytest.raises(Exception, match='not allowed'):
        io._history_method(os, 'system')
    with pytest.raises(Exception, match='not allowed'):
        io._history_method(io.HistoryBuffer, '__reduce__')


def test_namespace_is_for_the_authors_files_alone(tmp_path):
    path = tmp_path / 'reference.pth'
    torch.save(dict(opt=argparse.Namespace(epochs=100)), path)
    assert io.load_reference(path)['opt'].epochs == 100
    for load in (io.load, io.load_run):
        with pytest.raises(ValueError, match='argparse.Namespace'):
            load(path)


def test_foreign_types_are_refused_by_name(tmp_path):
    path = tmp_path / 'foreign.pth'
    torch.save(dict(weights=Foreign()), path)
    for load in (io.load, io.load_run, io.load_reference):
        with pytest.raises(ValueError, match=r'foreign\.pth.*Foreign'):
            load(path)


def test_missing_cut_and_other_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'none\.pth'):
        io.load(tmp_path / 'none.pth')
    whole, cut = tmp_path / 'whole.pth', tmp_path / 'cut.pth'
    torch.save(dict(a=torch.zeros(100)), whole)
    cut.write_bytes(whole.read_bytes()[:-200])
    text = tmp_path / 'text.pth'
    text.write_text('hello')
    empty = tmp_path / 'empty.pth'
    empty.touch()
    for path in (cut, text, empty):
        with pytest.raises(ValueError, match=path.name):
            io.load(path)
    torch.save([1], text)
    with pytest.raises(ValueError, match='holds a list'):
        io.load(text)


@pytest.mark.parametrize('part', ['state_dict', 'model', None])
def test_state_dict_is_found_and_unwrapped(part):
    state = {'module.a.weight': torch.ones(1), 'b': torch.ones(2)}
    checkpoint = state if part is None else {part: state, 'epoch': 3}
    assert list(io.state_dict_of(checkpoint, 'x.pth')) == ['a.weight', 'b']


@pytest.mark.parametrize(
    'checkpoint',
    [
        {},
        dict(a=1),
        dict(state_dict=[]),
        dict(state_dict={0: torch.ones(1), 'a': torch.ones(1)}),
        {0: torch.ones(1), 'a': 1},
    ],
)
def test_no_weights_is_an_error(checkpoint):
    with pytest.raises(ValueError, match=r'x\.pth has no weights'):
        io.state_dict_of(checkpoint, 'x.pth')


@pytest.mark.parametrize(
    ('meta', 'message'),
    [
        ([1, 2], 'dict under "meta", got a list'),
        (dict(tensors_sha256=3), 'text of a SHA-256 under tensors_sha.*3'),
        ('epoch 3', 'dict under "meta", got a str'),
        (dict(input=dict(channels='RGB', mean=3, std=[1])), 'not iterable'),
        (dict(input=dict(channels='RGB', mean='abc', std=[1])), "float: 'a'"),
        (
            dict(input=dict(channels='RGB', mean=[math.nan], std=[1])),
            "mean': .nan.",
        ),
        (dict(input=dict(channels='RGB', mean=[0], std=[0])), "std': .0.}"),
    ],
)
def test_odd_meta_is_refused_by_name(meta, message, tmp_path):
    path = tmp_path / 'odd.pth'
    torch.save(dict(state_dict=dict(a=torch.ones(1)), meta=meta), path)
    with pytest.raises(ValueError, match=rf'odd\.pth: .*{message}'):
        io.load(path)


def test_meta_of_none_is_no_meta(tmp_path):
    path = tmp_path / 'none.pth'
    torch.save(dict(state_dict=dict(a=torch.ones(1)), meta=None), path)
    assert list(io.load(path)) == ['state_dict']


def test_save_makes_the_folder_and_leaves_no_other_file(tmp_path):
    path = tmp_path / 'new' / 'out.pth'
    io.save_atomic(dict(a=torch.ones(2)), path)
    assert [p.name for p in path.parent.iterdir()] == ['out.pth']
    assert torch.equal(io.load(path)['a'], torch.ones(2))


def test_failed_save_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / 'out.pth'
    path.write_text('old')

    def full_disk(content: object, partial: os.PathLike) -> None:
        open(partial, 'w').write('half')
        raise RuntimeError('No space left on device')

    monkeypatch.setattr(torch, 'save', full_disk)
    with pytest.raises(OSError, match=r'out\.pth could not be written'):
        io.save_atomic({}, path)
    assert [p.name for p in tmp_path.iterdir()] == ['out.pth']
    assert path.read_text() == 'old'
