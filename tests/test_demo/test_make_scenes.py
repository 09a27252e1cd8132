import json
from pathlib import Path

import numpy as np
import pytest

from mmsoco.demo import make_scenes


@pytest.fixture(scope='module')
def spec():
    return make_scenes.SceneSpec(seed=3, train=5, few=2, val=2)


@pytest.fixture(scope='module')
def made(spec, tmp_path_factory):
    out = tmp_path_factory.mktemp('made') / 'demo'
    assert make_scenes.make_scenes(out, spec)
    return out


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }


def test_same_settings_same_bytes(spec, made, tmp_path):
    make_scenes.make_scenes(tmp_path / 'again', spec)
    assert contents(tmp_path / 'again') == contents(made)


def test_a_longer_split_begins_alike(made, tmp_path):
    longer = make_scenes.SceneSpec(seed=3, train=7, few=2, val=1)
    make_scenes.make_scenes(tmp_path / 'longer', longer)
    name = 'train/0005.jpg'
    assert contents(tmp_path / 'longer')[name] == contents(made)[name]


def test_annotations_agree_with_their_masks(made):
    from pycocotools.coco import COCO

    coco = COCO(str(made / 'annotations' / 'train.json'))
    assert len(coco.getImgIds()) == 5
    for annotation in coco.loadAnns(coco.getAnnIds()):
        mask = coco.annToMask(annotation)
        assert mask.shape == (192, 256)
        rows, columns = (
            np.flatnonzero(mask.any(1)),
            np.flatnonzero(mask.any(0)),
        )
        x, y, w, h = annotation['bbox']
        assert [x, y] == [columns[0], rows[0]]
        assert [x + w, y + h] == [columns[-1] + 1, rows[-1] + 1]
        assert annotation['area'] == mask.sum()


def test_few_labels_are_the_first_of_all(made):
    folder = made / 'annotations'
    everything = json.loads((folder / 'train.json').read_text())
    few = json.loads((folder / 'train_few.json').read_text())
    assert few['images'] == everything['images'][:2]
    kept = {image['id'] for image in few['images']}
    assert few['annotations'] == [
        a for a in everything['annotations'] if a['image_id'] in kept
    ]
    assert few['categories'] == everything['categories']


def test_classes_are_those_of_the_configs(repo_dir):
    from mmengine.config import Config

    folder = repo_dir / 'configs' / 'demo'
    (path,) = folder.glob('mask-rcnn_r18-fpn_scratch_*.py')
    cfg = Config.fromfile(path)
    for loader in (cfg.train_dataloader, cfg.test_dataloader):
        assert tuple(loader.dataset.metainfo.classes) == make_scenes.CLASSES
    head = cfg.model.roi_head
    assert head.bbox_head.num_classes == len(make_scenes.CLASSES)
    assert head.mask_head.num_classes == len(make_scenes.CLASSES)


def test_found_scenes_are_left_alone(spec, made):
    before = contents(made)
    assert not make_scenes.make_scenes(made, spec)
    assert contents(made) == before


def test_other_things_are_not_replaced(spec, made, tmp_path):
    other = make_scenes.SceneSpec(seed=4, train=5, few=2, val=2)
    with pytest.raises(FileExistsError, match='--overwrite'):
        make_scenes.make_scenes(made, other)
    precious = tmp_path / 'precious'
    precious.mkdir()
    (precious / 'photo.jpg').write_bytes(b'dear')
    with pytest.raises(FileExistsError):
        make_scenes.make_scenes(precious, spec, overwrite=True)
    assert (precious / 'photo.jpg').read_bytes() == b'dear'


def test_a_failure_leaves_nothing(spec, tmp_path, monkeypatch):
    def fail(*args):
        raise OSError('disk full')

    monkeypatch.setattr(make_scenes, 'write_split', fail)
    with pytest.raises(OSError, match='disk full'):
        make_scenes.make_scenes(tmp_path / 'demo', spec)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(few=6, train=5), 'few=6, train=5'),
        (dict(val=0), 'val >= 1'),
        (dict(height=100), '256x100 has no room'),
    ],
)
def test_impossible_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        make_scenes.SceneSpec(**settings)
