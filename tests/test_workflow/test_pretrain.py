"""The steps of a pretraining; the training itself is a stand-in."""

import io
import json
import os
import re
import shutil
import subprocess
from dataclasses import replace

import coco_documents
import numpy as np
import pytest
from command import call, state_of, succeed
from PIL import Image

import mmsoco
from mmsoco.images.opening import ImageFolder
from mmsoco.images.packing import pack
from mmsoco.proposals.store import ProposalStore
from mmsoco.workflow import (
    finish,
    look,
    proposal_step,
    training,
)
from mmsoco.workflow.console import Console
from mmsoco.workflow.pretrain_config import Plan

NUMBER = 18
PLAN = Plan(
    detector='R18', batch_size=9, steps_per_epoch=2, epochs=3,
    precision='fp32', threads=1, images_per_s=10.0, view_size=128,
)  # fmt: skip


@pytest.fixture(scope='module')
def pictures(tmp_path_factory):
    """Small pictures of squares, in a folder whose name has a space."""
    folder = tmp_path_factory.mktemp('data') / 'my pictures'
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(NUMBER):
        pixels = np.full((96, 96, 3), rng.integers(0, 255, 3), np.uint8)
        for _ in range(3):
            x, y = rng.integers(0, 50, 2)
            pixels[y : y + 40, x : x + 40] = rng.integers(0, 255, 3)
        Image.fromarray(pixels).save(folder / f'{i:02d}.png')
    return folder


@pytest.fixture
def labels(tmp_path):
    objects = [(1, (5, 5, 40, 40))]
    names = [f'{i:02d}.png' for i in range(NUMBER)]
    content = coco_documents.document(
        dict.fromkeys(names, objects), (96, 96), ['square']
    )
    path = tmp_path / 'train.json'
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def calls(monkeypatch):
    """Let the heavy parts only say that they were called."""
    made = []
    monkeypatch.setattr(look, 'draw_look', lambda *args: _draw(args[-1], made))
    monkeypatch.setattr(
        training.Training, 'run', lambda self, n: _train(self, made)
    )
    monkeypatch.setattr(
        finish,
        'finish_pretraining',
        lambda folder, *args: _finish(folder, made),
    )
    return made


def _draw(out, made):
    made.append('look')
    out.mkdir(exist_ok=True)
    for name in ('proposals.jpg', 'views.jpg'):
        (out / name).touch()


def _train(self, made):
    made.append('pretrain')
    plan = self.folder.manifest.get('plan')
    self.folder.save(plan=plan or vars(PLAN))
    self.folder.note('pretrain', 1.0)


def _finish(folder, made):
    made.append('export')
    for name in ('detector.pth', 'finetune.py', 'report.html'):
        (folder.path / name).touch()


def run(images, out, **options):
    stream = io.StringIO()
    found = mmsoco.pretrain(
        images, out, console=Console(4, stream), workers=1, **options
    )
    return found, stream.getvalue()


def test_four_steps_then_the_next_command(pictures, tmp_path, calls):
    found, text = run(pictures, tmp_path / 'out')
    assert calls == ['look', 'pretrain', 'export']
    assert len(ProposalStore(found.proposals)) == NUMBER
    assert f'[1/4] proposals   {NUMBER} pictures' in text
    assert found.next_command.startswith('mmsoco finetune ')
    assert "'" in found.next_command  # the folder's name has a space
    assert found.detector.is_file() and found.report.is_file()


def test_the_next_command_names_labels_as_typed(
    pictures, tmp_path, labels, calls, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    typed = labels.relative_to(tmp_path)
    found, _ = run(pictures, 'out', check=typed)
    assert f'--train {typed} ' in found.next_command


def test_a_tar_file_in_the_place_of_a_folder(pictures, tmp_path, calls):
    source = ImageFolder(pictures)
    tar = pack(source, source.find().names, tmp_path / 'a.tar').path
    made, text = run(tar, tmp_path / 'run')
    assert calls == ['look', 'pretrain', 'export']
    loose, _ = run(pictures, tmp_path / 'loose')
    pairs = zip(
        ProposalStore(made.proposals),
        ProposalStore(loose.proposals),
        strict=True,
    )
    for packed, expected in pairs:
        assert packed.extent is not None
        assert packed.file_name == expected.file_name
        np.testing.assert_array_equal(packed.bboxes, expected.bboxes)
    # Detectors do not read it, so that the folder is left to be named.
    assert '--train-images TRAIN_IMAGES' in made.next_command
    calls.clear()
    run(tar, tmp_path / 'run')
    assert calls == []


def test_a_tar_file_that_was_repacked(pictures, tmp_path, calls):
    """In another order: the same pictures, boxes and training."""
    source = ImageFolder(pictures)
    names = source.find().names
    tar = pack(source, names, tmp_path / 'a.tar').path
    made, _ = run(tar, tmp_path / 'run')
    before = list(ProposalStore(made.proposals))
    calls.clear()
    subprocess.run(
        ['tar', 'cf', tar, '-C', pictures, *names[::-1]], check=True
    )
    run(tar, tmp_path / 'run')
    assert calls == []
    data = tar.read_bytes()
    store = ProposalStore(made.proposals)
    for record, old in zip(store, before, strict=True):
        np.testing.assert_array_equal(record.bboxes, old.bboxes)
        offset, size = record.extent
        expected = (pictures / record.file_name).read_bytes()
        assert data[offset : offset + size] == expected
    assert store[0].extent != before[0].extent


def test_labels_want_loose_pictures(pictures, tmp_path, calls, labels):
    source = ImageFolder(pictures)
    tar = pack(source, source.find().names, tmp_path / 'a.tar').path
    with pytest.raises(NotADirectoryError, match=r'a\.tar.*tar xf'):
        run(tar, tmp_path / 'run', check=labels)


def test_called_again_nothing_is_made_anew(pictures, tmp_path, calls):
    run(pictures, tmp_path / 'out', epochs=3)
    calls.clear()
    found, text = run(pictures, tmp_path / 'out')
    assert calls == []
    assert 'done before' in text
    assert found.manifest['settings'] == dict(epochs=3)


@pytest.mark.parametrize(
    ('options', 'epochs'),
    # an epoch of 18 pictures takes 1.8 seconds
    [(dict(epochs=5), 5), (dict(time=9.1), 5)],
)
def test_another_length_goes_on_with_the_run(
    pictures, tmp_path, calls, options, epochs
):
    run(pictures, tmp_path / 'out', epochs=3, seed=1)
    calls.clear()
    found, _ = run(pictures, tmp_path / 'out', seed=1, **options)
    assert calls == ['pretrain', 'export']
    assert found.manifest['settings'] == dict(seed=1, **options)
    assert found.manifest['plan'] == vars(replace(PLAN, epochs=epochs))
    calls.clear()
    run(pictures, tmp_path / 'out')  # the new length is kept
    assert calls == []


def test_only_the_length_of_a_run_may_change(pictures, tmp_path, calls):
    found, _ = run(pictures, tmp_path / 'out', epochs=3)
    before = (tmp_path / 'out' / 'manifest.json').read_bytes()
    calls.clear()
    with pytest.raises(FileExistsError, match='--seed was not given') as info:
        run(pictures, tmp_path / 'out', epochs=5, seed=1)
    assert '--epochs' not in str(info.value)
    assert 'another --out' in str(info.value)
    assert calls == []
    assert (tmp_path / 'out' / 'manifest.json').read_bytes() == before


def test_after_an_interruption_it_goes_on(
    pictures, tmp_path, calls, monkeypatch
):
    def interrupted(self, number):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training.Training, 'run', interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(pictures, tmp_path / 'out')
    assert calls == ['look']
    before = (tmp_path / 'out' / 'proposals.arrow').stat().st_mtime_ns
    run(pictures, tmp_path / 'out')
    assert calls == ['look', 'pretrain', 'export']
    after = (tmp_path / 'out' / 'proposals.arrow').stat().st_mtime_ns
    assert before == after


def test_settings_of_a_run_that_was_never_trained_may_change(
    pictures, tmp_path, calls, monkeypatch
):
    def refused(self, number):
        raise ChildProcessError('no such optimizer')

    with monkeypatch.context() as patch:
        patch.setattr(training.Training, 'run', refused)
        with pytest.raises(ChildProcessError):
            run(pictures, tmp_path / 'out', epochs=3, seed=1)
    found, _ = run(pictures, tmp_path / 'out', epochs=4)
    assert found.manifest['settings'] == dict(epochs=4)
    # ... but the proposals are made by some of them
    with pytest.raises(FileExistsError, match='--min-size'):
        run(pictures, tmp_path / 'out', filters=dict(min_size=8))


@pytest.mark.parametrize(
    ('again', 'settings'),
    [
        ({}, dict(epochs=3, seed=1)),
        (dict(epochs=5), dict(epochs=5, seed=1)),
        (dict(seed=2, time=9.0), dict(time=9.0, seed=2)),
    ],
)
def test_killed_before_the_first_checkpoint_settings_may_change(
    pictures, tmp_path, calls, monkeypatch, again, settings
):
    def killed(self, number):
        self.folder.save(plan=vars(PLAN))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training.Training, 'run', killed)
        with pytest.raises(KeyboardInterrupt):
            run(pictures, tmp_path / 'out', epochs=3, seed=1)
    found, _ = run(pictures, tmp_path / 'out', **again)
    assert found.manifest['settings'] == settings


def test_labels_choose_the_filter(pictures, tmp_path, calls, labels):
    found, text = run(pictures, tmp_path / 'out', check=labels)
    assert 'labels covered' in text
    assert found.manifest['filter']['labels'] == NUMBER
    assert str(labels) in found.next_command


def test_proposals_of_the_users_own(pictures, tmp_path, calls):
    first, _ = run(pictures, tmp_path / 'first')
    own = tmp_path / 'own.arrow'
    shutil.copy(first.proposals, own)
    second, text = run(pictures, tmp_path / 'second', proposals=own)
    assert second.proposals.read_bytes() == own.read_bytes()
    assert 'filter' not in second.manifest


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (
            lambda path: path.rename(path.with_stem('renamed')),
            '1 of its 18 names .* 07.png',
        ),
        (Image.new('RGB', (96, 96)).save, '1 of 18 have other con.* 07.png'),
    ],
)
def test_proposals_of_other_pictures(
    pictures, tmp_path, calls, change, message
):
    first, _ = run(pictures, tmp_path / 'first')
    other = tmp_path / 'other'
    shutil.copytree(pictures, other)
    change(other / '07.png')
    with pytest.raises(ValueError, match=message):
        run(other, tmp_path / 'second', proposals=first.proposals)


def test_proposals_of_a_part_of_the_pictures(pictures, tmp_path, calls):
    names = tmp_path / 'names.txt'
    for number in (16, 15):
        part = tmp_path / f'{number}.arrow'
        names.write_text('\n'.join(f'{i:02d}.png' for i in range(number)))
        succeed(
            'propose', pictures, '--out', part, '--ann-file', names,
            '--workers=1',
        )  # fmt: skip
    with pytest.raises(ValueError, match='15.arrow has 15 pictures'):
        run(pictures, tmp_path / 'few', proposals=part)
    _, text = run(pictures, tmp_path / 'out', proposals=tmp_path / '16.arrow')
    assert '16.arrow has 16 of the 18 pictures; the others are not' in text


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--check', 'nowhere.json'], 'with other settings: --check'),
        (['--detector', 'nowhere.py'], 'with other settings: --detector'),
        (['--cfg-options', 'model.tipe=x'], 'with other settings: --cfg-opt'),
        (['--seed', '2'], 'with other settings: --seed was'),
        (['--epochs', '1'], 'has trained 3 epochs already'),
        (['--min-ratio', '5'], '--min-ratio'),
        (['--rounds', '2'], 'not the last of 2 rounds'),
    ],
)
def test_a_refused_call_leaves_a_run_as_it_is(
    pictures, tmp_path, calls, monkeypatch, words, message
):
    run(pictures, tmp_path / 'out')
    before = state_of(tmp_path)
    monkeypatch.setattr(training.Training, 'epochs_done', lambda self: 3)
    outcome = call('pretrain', pictures, '--out', tmp_path / 'out', *words)
    assert outcome.status == 1
    assert message in outcome.err
    assert state_of(tmp_path) == before


@pytest.mark.parametrize('rounds', [(), ('--rounds', '2')])
@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--init', 'nowhere.pth'], 'there is no file nowhere.pth'),
        (['--precision', 'fp16'], 'needs a GPU'),
        (['--cfg-options', 'model.a.b=1'], 'model.a'),
    ],
)
def test_a_refused_call_makes_no_run(
    pictures, tmp_path, monkeypatch, words, message, rounds
):
    monkeypatch.setattr(training, 'has_gpu', lambda: False)
    out = tmp_path / 'out'
    outcome = call('pretrain', pictures, '--out', out, *words, *rounds)
    assert outcome.status == 1
    assert message in outcome.err
    assert not out.exists()


def test_broken_pictures_are_named(pictures, tmp_path, calls):
    mixed = tmp_path / 'mixed'
    shutil.copytree(pictures, mixed)
    (mixed / '03.png').write_bytes(b'broken')
    (mixed / 'notes.txt').touch()
    found, text = run(mixed, tmp_path / 'out')
    assert '17 pictures (2 left out: 1 unreadable (03.png: not an im' in text
    assert 'notes.txt' in text
    (entry,) = ProposalStore(found.proposals).metadata['unreadable']
    assert entry['file_name'] == '03.png'


@pytest.mark.parametrize('number', [1, 3, 15])
def test_too_few_pictures(pictures, tmp_path, number):
    few = tmp_path / 'few'
    few.mkdir()
    for path in sorted(pictures.iterdir())[:number]:
        shutil.copy(path, few)
    with pytest.raises(ValueError, match=f'{number} pictures .* at least 16'):
        run(few, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_pictures_that_are_all_broken(tmp_path, calls):
    (tmp_path / 'broken').mkdir()
    for i in range(NUMBER):
        (tmp_path / 'broken' / f'{i}.png').write_bytes(b'no picture')
    with pytest.raises(ValueError, match='none of 18 .* is readable'):
        run(tmp_path / 'broken', tmp_path / 'out')
    assert calls == []


def test_after_broken_pictures_were_repaired_it_begins_anew(
    pictures, tmp_path, calls
):
    folder = tmp_path / 'repaired'
    folder.mkdir()
    for i in range(20):
        (folder / f'{i}.png').write_bytes(b'no picture')
    with pytest.raises(ValueError, match='none of 20 pictures'):
        run(folder, tmp_path / 'out')
    shutil.rmtree(folder)
    shutil.copytree(pictures, folder)

    run(folder, tmp_path / 'out')

    assert (tmp_path / 'out' / 'proposals.arrow').exists()


def test_pictures_that_were_moved(pictures, tmp_path, calls, monkeypatch):
    folder, out = tmp_path / 'old', tmp_path / 'out'
    shutil.copytree(pictures, folder)
    run(folder, out)
    (out / 'pretrain.py').write_text(
        f'train_dataloader = dict(dataset=dict(image_root={str(folder)!r}))'
    )
    calls.clear()
    moved = tmp_path / 'new'
    folder.rename(moved)
    _, text = run(moved, out)
    assert calls == [] and 'done before' in text
    store = ProposalStore(out / 'proposals.arrow')
    assert store.metadata['image_root'] == str(moved)
    assert json.loads((out / 'manifest.json').read_text())['images'][
        'folder'
    ] == str(moved)
    assert f"image_root='{moved}'" in (out / 'pretrain.py').read_text()
    # And the next call finds nothing to do.
    before = (out / 'proposals.arrow').stat().st_mtime_ns
    run(moved, out)
    assert (out / 'proposals.arrow').stat().st_mtime_ns == before


def test_other_pictures_of_the_same_names(pictures, tmp_path, calls):
    run(pictures, tmp_path / 'out')
    other = tmp_path / 'other'
    shutil.copytree(pictures, other)
    Image.new('RGB', (96, 96)).save(other / '07.png')
    with pytest.raises(
        FileExistsError, match='other pictures: 1 of 18 .* 07.png in '
    ):
        run(other, tmp_path / 'out')


def change_one(pictures, tmp_path):
    """Copy the pictures, and give one of them other pixels later."""
    folder = tmp_path / 'own'
    shutil.copytree(pictures, folder)

    def change():
        shutil.copy(folder / '05.png', folder / '03.png')
        os.utime(folder / '03.png', (1, 1))

    return folder, change


def test_a_changed_picture_is_searched_anew(pictures, tmp_path, calls):
    folder, change = change_one(pictures, tmp_path)
    found, _ = run(folder, tmp_path / 'out')
    # As a call leaves it that was stopped before the training.
    manifest = dict(found.manifest)
    del manifest['plan']
    (tmp_path / 'out' / 'manifest.json').write_text(json.dumps(manifest))
    change()
    found, _ = run(folder, tmp_path / 'out')
    boxes = {r.file_name: r.bboxes for r in ProposalStore(found.proposals)}
    assert np.array_equal(boxes['03.png'], boxes['05.png'])


def test_a_changed_picture_stops_a_begun_training(pictures, tmp_path, calls):
    folder, change = change_one(pictures, tmp_path)
    found, _ = run(folder, tmp_path / 'out')
    assert 'plan' in found.manifest
    change()
    with pytest.raises(FileExistsError, match='1 of 18 have changed.* 03.png'):
        run(folder, tmp_path / 'out')


def test_labels_without_objects(pictures, tmp_path, labels, calls):
    with coco_documents.edited(labels) as document:
        document['annotations'] = []
    with pytest.raises(ValueError, match='no object to learn from'):
        run(pictures, tmp_path / 'out', check=labels)
    assert calls == [] and not (tmp_path / 'out').exists()


def test_labels_of_which_a_part_lies_here(pictures, tmp_path, labels, calls):
    with coco_documents.edited(labels) as document:
        for image in document['images'][:5]:
            image['file_name'] = f'elsewhere/{image["file_name"]}'
    found, text = run(pictures, tmp_path / 'out', check=labels)
    assert f'--check: {NUMBER - 5} labeled pictures are used' in text
    assert re.search('left out +5 +picture is not in .*elsewhere/00.png', text)
    assert found.manifest['filter']['labels'] == NUMBER - 5


def test_labels_of_other_pictures(pictures, tmp_path, labels, calls):
    with coco_documents.edited(labels) as document:
        for image in document['images']:
            image['file_name'] = f'images/{image["file_name"]}'
    with pytest.raises(FileNotFoundError, match='none of the 18 .*') as info:
        run(pictures, tmp_path / 'out', check=labels)
    # where it looked, and what to do
    assert str(pictures / 'images' / '00.png') in str(info.value)
    assert 'relative to' in str(info.value)
    assert calls == [] and not (tmp_path / 'out').exists()


def test_a_disk_that_fills_up(pictures, tmp_path, calls, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, 'No space left on device')

    with monkeypatch.context() as patch:
        patch.setattr(proposal_step, 'generate', full)
        with pytest.raises(OSError, match='No space left'):
            run(pictures, tmp_path / 'out')
    run(pictures, tmp_path / 'out')
    assert calls == ['look', 'pretrain', 'export']


def test_a_name_that_the_package_does_not_offer():
    with pytest.raises(AttributeError, match='no_such'):
        _ = mmsoco.no_such
