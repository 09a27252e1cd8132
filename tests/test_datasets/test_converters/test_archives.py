"""Parts of COCO and ImageNet's archives, on tiny stand-ins."""

import io
import json
import re
import tarfile

import numpy as np
import pytest
from command import call, succeed
from scipy.io import savemat

from mmsoco.datasets.converters import mini_coco
from mmsoco.utils.files import partial_path


@pytest.fixture
def coco(tmp_path):
    """400 images with two objects each, but for the last ten."""
    document = dict(
        info=dict(year=2017),
        images=[dict(id=7 * i, file_name=f'{i}.jpg') for i in range(400)],
        annotations=[
            dict(id=i, image_id=7 * (i // 2), category_id=1)
            for i in range(780)
        ],
        categories=[dict(id=1, name='cat'), dict(id=2, name='dog')],
    )
    path = tmp_path / 'instances_train2017.json'
    path.write_text(json.dumps(document))
    return path


def read_parts(folder):
    return {
        percent: json.loads(
            (folder / f'instances_train2017_{percent}pct.json').read_text()
        )
        for percent in (1, 2, 5, 10)
    }


def test_parts_of_coco(coco, tmp_path):
    succeed('convert', 'mini-coco', coco, '--out', tmp_path / 'mini')
    parts = read_parts(tmp_path / 'mini')
    ids = {p: {i['id'] for i in d['images']} for p, d in parts.items()}
    assert {p: len(found) for p, found in ids.items()} == {
        1: 4,
        2: 8,
        5: 20,
        10: 40,
    }
    assert ids[1] < ids[2] < ids[5] < ids[10]
    whole = json.loads(coco.read_text())
    for percent, part in parts.items():
        assert part['categories'] == whole['categories']
        assert part['annotations'] == [
            a for a in whole['annotations'] if a['image_id'] in ids[percent]
        ]


def test_parts_depend_on_ids_and_seed_alone(coco, tmp_path):
    document = json.loads(coco.read_text())
    order = mini_coco.shuffled_ids(document, seed=0)
    document['images'].reverse()
    assert mini_coco.shuffled_ids(document, seed=0) == order
    assert mini_coco.shuffled_ids(document, seed=1) != order
    assert sorted(order) == [7 * i for i in range(400)]


def add(tar, name, content):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


@pytest.fixture
def archives(tmp_path):
    """ImageNet's three archives, with two classes."""
    with tarfile.open(tmp_path / 'train.tar', 'w') as train:
        for wnid in ('n02', 'n01'):
            images = io.BytesIO()
            with tarfile.open(fileobj=images, mode='w') as tar:
                for i in range(2):
                    add(tar, f'{wnid}_{i}.JPEG', b'x')
            add(train, f'{wnid}.tar', images.getvalue())
    with tarfile.open(tmp_path / 'val.tar', 'w') as val:
        for number in (1, 2, 3):
            add(val, f'ILSVRC2012_val_0000000{number}.JPEG', b'x')
    # class numbers of the development kit are not those of the labels
    synsets = np.array(
        [(1, 'n02'), (2, 'n01')],
        dtype=[('ILSVRC2012_ID', int), ('WNID', object)],
    )
    meta = io.BytesIO()
    savemat(meta, dict(synsets=synsets))
    with tarfile.open(tmp_path / 'devkit.tar.gz', 'w:gz') as kit:
        home = 'ILSVRC2012_devkit_t12/data'
        add(kit, f'{home}/meta.mat', meta.getvalue())
        truth = f'{home}/ILSVRC2012_validation_ground_truth.txt'
        add(kit, truth, b'1\n2\n1\n')
    return tmp_path


def imagenet_args(archives):
    return [
        archives / 'imagenet',
        '--train-tar', archives / 'train.tar',
        '--val-tar', archives / 'val.tar',
        '--devkit', archives / 'devkit.tar.gz',
    ]  # fmt: skip


def check_imagenet(root):
    assert (root / 'meta/train.txt').read_text() == (
        'n01/n01_0.JPEG 0\nn01/n01_1.JPEG 0\n'
        'n02/n02_0.JPEG 1\nn02/n02_1.JPEG 1\n'
    )
    assert (root / 'meta/val.txt').read_text() == (
        'n01/ILSVRC2012_val_00000002.JPEG 0\n'
        'n02/ILSVRC2012_val_00000001.JPEG 1\n'
        'n02/ILSVRC2012_val_00000003.JPEG 1\n'
    )


def test_imagenet_from_archives(archives):
    printed = succeed('convert', 'imagenet', *imagenet_args(archives))
    check_imagenet(archives / 'imagenet')
    assert '2 classes, 4 images (ImageNet-1k has 1000 and 1281167)' in printed


def test_imagenet_goes_on_after_a_kill(archives):
    """One class is whole, another was being unpacked."""
    root = archives / 'imagenet'
    (root / 'train').mkdir(parents=True)
    for left in ('train/n01', 'val'):
        # Of a process that did not begin at that time.
        partial = partial_path(root / left)
        partial = partial.with_name(re.sub(r'-\d+', '-7', partial.name))
        (partial / 'old').mkdir(parents=True)
    succeed('convert', 'imagenet', *imagenet_args(archives))
    check_imagenet(root)
    assert not list(root.rglob('*.part'))


def test_imagenet_lists_what_is_there(tmp_path):
    (tmp_path / 'val/n05').mkdir(parents=True)
    (tmp_path / 'val/n05/a.JPEG').write_bytes(b'x')
    (tmp_path / 'val/.ipynb_checkpoints').mkdir()
    printed = succeed('convert', 'imagenet', tmp_path)
    assert 'hidden' in printed and '.ipynb_checkpoints/' in printed
    assert (tmp_path / 'meta/val.txt').read_text() == 'n05/a.JPEG 0\n'
    assert not (tmp_path / 'meta/train.txt').exists()


def refuse(*args):
    """What the converter says where it refuses."""
    outcome = call('convert', 'imagenet', *args)
    assert outcome.status == 1
    return outcome.err


def test_imagenet_refuses_images_without_class(tmp_path):
    (tmp_path / 'val').mkdir()
    (tmp_path / 'val/a.JPEG').write_bytes(b'x')
    assert re.search('expected .*CLASS/IMAGE.*--devkit', refuse(tmp_path))


@pytest.mark.parametrize(
    'name', ['picture.JPEG', 'ILSVRC2012_val_0.JPEG', 'ILSVRC2012_val_4.JPEG']
)
def test_imagenet_refuses_pictures_without_label(archives, name):
    with tarfile.open(archives / 'val.tar', 'w') as val:
        add(val, 'ILSVRC2012_val_1.JPEG', b'x')
        add(val, name, b'x')
    text = refuse(*imagenet_args(archives))
    assert f'val.tar holds {name!r}' in text and '1 to 3' in text
    assert not (archives / 'imagenet/val').exists()


def test_imagenet_needs_files_in_its_kit(archives):
    with tarfile.open(archives / 'devkit.tar.gz', 'w:gz') as kit:
        folder = tarfile.TarInfo('ILSVRC2012_devkit_t12/data/meta.mat')
        folder.type = tarfile.DIRTYPE
        kit.addfile(folder)
    text = refuse(*imagenet_args(archives))
    assert re.search('lacks .*data/meta.mat', text)


def test_nothing_leaves_the_folder_of_imagenet(archives):
    """Neither the classes' archives nor what is inside of them."""
    inside = io.BytesIO()
    with tarfile.open(fileobj=inside, mode='w') as tar:
        add(tar, '../../../outside.JPEG', b'x')
    train = archives / 'train.tar'
    with tarfile.open(train, 'w') as tar:
        add(tar, '../n03.tar', inside.getvalue())
    text = refuse(archives / 'imagenet', '--train-tar', train)
    assert 'outside' in text
    assert not list(archives.parent.rglob('outside.JPEG'))
    with tarfile.open(train, 'w') as tar:
        add(tar, '._n01.tar', b'x')
        tar.addfile(tarfile.TarInfo('folder.tar'))
    with tarfile.open(train, 'a') as tar:
        link = tarfile.TarInfo('n09.tar')
        link.type, link.linkname = tarfile.SYMTYPE, '/etc/passwd'
        tar.addfile(link)
    refuse(archives / 'imagenet', '--train-tar', train)
    assert not list((archives / 'imagenet').glob('train/*'))
