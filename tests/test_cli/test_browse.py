"""Pictures of a store, and of the views of a config."""

import io
import logging
from pathlib import Path

import numpy as np
import pytest
from command import call, succeed
from mmengine.logging import MMLogger
from PIL import Image
from small_pictures import write_noise, write_store

from mmsoco.workflow.run_folder import RunFolder


@pytest.fixture
def options(tmp_path: Path) -> list[str]:
    """Settings that replace the data of a config by three images."""
    root = tmp_path / 'images'
    names, size = ['a.png', 'b.png', 'c.png'], (60, 80)
    write_noise(root, names, size)
    write_store(tmp_path / 'p.arrow', names, [[5, 5, 60, 50]], size)
    return [
        '--cfg-options',
        f'train_dataloader.dataset.image_root={root}',
        f'train_dataloader.dataset.proposals={tmp_path / "p.arrow"}',
    ]


def test_views_are_drawn_and_repeatable(repo_dir, tmp_path, options):
    config = repo_dir / 'configs/_base_/datasets/imagenet_soco_star.py'

    def browse(folder, *more):
        out = tmp_path / folder
        succeed('browse', config, '--out', out, *more, *options)
        return {p.name: np.asarray(Image.open(p)) for p in out.iterdir()}

    first = browse('one', '--number', '2')
    again = browse('two', '--index', '2')
    other = browse('three', '--index', '2', '--epoch', '1')
    assert sorted(first) == ['0000000.png', '0000002.png']
    assert (first['0000002.png'] == again['0000002.png']).all()
    assert (other['0000002.png'] != again['0000002.png']).any()


def refused(*argv):
    outcome = call('browse', *argv)
    assert outcome.status == 1, outcome
    return outcome.err


def test_proposals_are_drawn(options, tmp_path):
    out = tmp_path / 'look'
    store, images = tmp_path / 'p.arrow', tmp_path / 'images'
    succeed('browse', store, '--out', out, '--image-root', images)
    assert len(list(out.glob('*.png'))) == 3
    assert Image.open(out / 'contact_sheet.jpg').size[0] > 200


def test_a_picture_of_another_size_is_refused(options, tmp_path):
    images, look = tmp_path / 'images', tmp_path / 'look'
    Image.new('RGB', (9, 9)).save(images / 'a.png')
    store = tmp_path / 'p.arrow'
    assert '9 x 9' in refused(store, '--out', look, '--image-root', images)
    assert not look.exists()


@pytest.fixture
def run(options: list[str], tmp_path: Path, repo_dir: Path) -> Path:
    """A pretraining whose folder was moved after its config was written."""
    folder = RunFolder(tmp_path / 'run', 'pretraining')
    folder.begin(dict(folder=str(tmp_path / 'images')), {})
    (tmp_path / 'p.arrow').rename(folder.path / 'proposals.arrow')
    base = repo_dir / 'configs/_base_/datasets/imagenet_soco.py'
    data = dict(image_root='/before/images', proposals='/before/p.arrow')
    (folder.path / 'pretrain.py').write_text(
        f'_base_ = {str(base)!r}\ntrain_dataloader = dict(dataset={data})\n'
    )
    return folder.path


def test_a_pretraining_shows_its_proposals_and_views(run, tmp_path):
    out = tmp_path / 'look'
    arguments = ['--out', out, '--number', '2', '--columns', '1']
    printed = succeed('browse', run, *arguments, '--epoch', '1')
    assert printed.splitlines() == [
        f'3 files in {out / "proposals"}',  # and the contact sheet
        f'2 files in {out / "views"}',
    ]
    names = {path.name for path in (out / 'proposals').iterdir()}
    assert names == {
        '0000000_a.png', '0000002_c.png', 'contact_sheet.jpg'
    }  # fmt: skip
    views = sorted(path.name for path in (out / 'views').iterdir())
    assert views == ['0000000.png', '0000002.png']
    (run / 'pretrain.py').unlink()  # stopped before the training
    assert succeed('browse', run, '--out', tmp_path / 'early') == (
        f'4 files in {tmp_path / "early" / "proposals"}\n'
    )


def test_the_console_is_spared_what_mmengine_logs(run, tmp_path):
    shown = io.StringIO()
    console = logging.StreamHandler(shown)
    logger = MMLogger.get_current_instance()
    logger.addHandler(console)
    try:
        succeed('browse', run, '--out', tmp_path / 'look')
        logger.info('of other verbs')
    finally:
        logger.removeHandler(console)
    assert shown.getvalue() == 'of other verbs\n'


def test_pictures_of_a_pretraining_may_have_moved(run, tmp_path):
    moved = tmp_path / 'moved'
    (tmp_path / 'images').rename(moved)
    out = tmp_path / 'look'
    assert '--image-root' in refused(run, '--out', out)
    printed = succeed('browse', run, '--out', out, '--image-root', moved)
    assert f'3 files in {out / "views"}' in printed


def test_folders_without_proposals_are_refused(run, tmp_path):
    out = tmp_path / 'look'
    (run / 'proposals.arrow').unlink()
    assert 'has no proposals.arrow yet' in refused(run, '--out', out)
    assert 'no manifest.json' in refused(tmp_path / 'images', '--out', out)
    other = RunFolder(tmp_path / 'other', 'fine-tuning')
    other.begin({}, {})
    error = refused(other.path, '--out', out)
    assert 'expected pretraining' in error and 'mmsoco pretrain' in error
    assert not out.exists()
