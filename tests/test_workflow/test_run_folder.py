import json

import pytest

from mmsoco.workflow.run_folder import RunFolder, find_manifests

IMAGES = dict(folder='/a', pictures=20, sha256='00')


def begun(path, images=IMAGES, **given):
    folder = RunFolder(path, 'pretraining')
    folder.begin(images, given)
    return folder


def test_a_run_goes_on_with_its_settings(tmp_path):
    begun(tmp_path / 'new', epochs=8, seed=1)
    again = begun(tmp_path / 'new', seed=1)
    assert again.settings == dict(epochs=8, seed=1)


def test_pictures_that_were_moved(tmp_path):
    begun(tmp_path)
    moved = dict(IMAGES, folder='/b')
    begun(tmp_path, moved)
    assert (
        json.loads((tmp_path / 'manifest.json').read_text())['images'] == moved
    )


@pytest.mark.parametrize(
    ('images', 'message'),
    [
        (dict(IMAGES, pictures=21), 'pictures 20, now 21'),
        (dict(IMAGES, sha256='11'), 'under other names'),
    ],
)
def test_other_pictures_are_refused(tmp_path, images, message):
    begun(tmp_path)
    with pytest.raises(FileExistsError, match=message):
        begun(tmp_path, images)


def test_other_settings_are_named_with_the_remedy(tmp_path):
    options = {'a.b': 1, 'c': 2}
    begun(tmp_path, epochs=8, batch_size=16, cfg_options=options)
    with pytest.raises(FileExistsError) as caught:
        begun(
            tmp_path, epochs=12, seed=3, batch_size=16,
            filters=dict(min_size=8), cfg_options=dict(options, c=3),
        )  # fmt: skip
    message = str(caught.value)
    assert '--cfg-options c was 2, now 3' in message and 'a.b' not in message
    assert '--min-size was not given, now 8' in message
    assert '--epochs was 8, now 12' in message
    assert '--seed was not given, now 3' in message
    assert '--batch-size' not in message
    assert 'leave these options out' in message and '--out' in message


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / 'thesis.txt').touch()
    with pytest.raises(FileExistsError, match='choose an empty or a new'):
        RunFolder(tmp_path, 'pretraining')
    with pytest.raises(NotADirectoryError, match='is a file'):
        RunFolder(tmp_path / 'thesis.txt', 'pretraining')


def test_a_damaged_manifest_and_another_kind(tmp_path):
    begun(tmp_path)
    with pytest.raises(FileExistsError, match='another kind'):
        RunFolder(tmp_path, 'fine-tuning')
    (tmp_path / 'manifest.json').write_text('{"kind": ')
    with pytest.raises(ValueError, match='is damaged'):
        RunFolder(tmp_path, 'pretraining')


@pytest.mark.parametrize(
    ('edit', 'said'),
    [
        (lambda m: m.pop('images'), "'images' is missing"),
        (lambda m: m.pop('kind'), "'kind' is missing"),
        (lambda m: m.update(settings=[]), r'its settings is \[\]'),
        (lambda m: m.update(steps=None), 'its steps is None'),
        (lambda m: m['steps'].update(look='x'), "its steps.look is 'x'"),
        (lambda m: m.update(plan='x'), "its plan is 'x'"),
        (lambda m: m.update(plan=dict(epochs=0)), 'its plan.epochs is 0'),
        (lambda m: m.update(filter=3), 'its filter is 3'),
    ],
)
def test_a_manifest_that_was_edited(tmp_path, edit, said):
    begun(tmp_path)
    path = tmp_path / 'manifest.json'
    manifest = json.loads(path.read_text())
    edit(manifest)
    path.write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match=f'manifest.json is damaged .{said}'):
        RunFolder(tmp_path, 'pretraining')


def test_a_part_of_another_release(tmp_path):
    folder = begun(tmp_path)
    with pytest.raises(ValueError, match='manifest.json.*its plan is not as'):
        with folder.reads('plan'):
            dict(**{'of_next_release': 1})['epochs']


def test_a_step_done_anew_undoes_the_later_ones(tmp_path):
    folder = begun(tmp_path)
    for name in ('proposals', 'look', 'pretrain'):
        folder.note(name, 1.0)
    assert folder.is_done('pretrain')
    folder.note('look', 2.0)
    assert folder.is_done('proposals') and folder.is_done('look')
    assert not folder.is_done('pretrain')
    assert not folder.is_done('look', tmp_path / 'missing.jpg')
    read = RunFolder(tmp_path, 'pretraining')
    assert read.manifest['steps']['look'] == dict(seconds=2.0)


def test_one_process_at_a_time(tmp_path):
    first, second = begun(tmp_path), RunFolder(tmp_path, 'pretraining')
    with first.lock(), pytest.raises(BlockingIOError, match=r'in use.*--out'):
        second.lock().acquire()
    with second.lock():
        pass


def test_runs_within_a_run(tmp_path):
    for name, done in (('b', True), ('a', True), ('c', False)):
        folder = RunFolder(tmp_path / name, 'fine-tuning')
        folder.begin(IMAGES, {})
        if done:
            folder.note('evaluate', 1.0)
    begun(tmp_path / 'd').note('evaluate', 1.0)
    found = find_manifests(tmp_path, 'fine-tuning', 'evaluate')
    assert [path.name for path in found] == ['a', 'b']


def test_names_of_any_language_stay_readable(tmp_path):
    begun(tmp_path, dict(IMAGES, folder='/Bilder/Käfer'))
    text = (tmp_path / 'manifest.json').read_text(encoding='utf-8')
    assert 'Käfer' in text
    assert json.loads(text)['images']['folder'] == '/Bilder/Käfer'
