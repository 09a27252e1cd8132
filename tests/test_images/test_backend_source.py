"""Images of storage backends, against the files that they serve."""

import os
import pickle

import numpy as np
import pytest
import storage_backends
from PIL import Image

from mmsoco.images.backend_source import BackendImages
from mmsoco.images.errors import UnreadableImageError
from mmsoco.images.opening import ImageFolder, open_images

NAMES = ['a b.png', 'c.jpg', 'd/ö.png']
LISTED = dict(backend='listed-memory')
PLAIN = dict(backend='memory')


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / 'images'
    rng = np.random.default_rng(0)
    for i, name in enumerate(NAMES):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (20 + i, 30, 3), np.uint8)
        Image.fromarray(pixels).save(root / name)
    (root / 'notes.txt').write_text('no image')
    (root / 'd/.hidden.png').touch()
    storage_backends.fill(root, 'mem://set')
    return root


@pytest.fixture
def names_file(tmp_path):
    path = tmp_path / 'names.txt'
    path.write_text('\n'.join(NAMES))
    return path


def test_images_of_memory_are_those_of_the_folder(folder):
    files, images = ImageFolder(folder), open_images('mem://set', LISTED)
    assert isinstance(images, BackendImages)
    assert images.find().names == files.find().names == NAMES
    assert 'hidden or of the system' in images.find().report()
    for name in NAMES:
        assert images.read(name) == files.read(name)
        assert (images.read_rgb(name) == files.read_rgb(name)).all()
        assert images.read_size(name) == files.read_size(name)
        assert images.holds(name)
    assert not images.holds('no.png')


def test_images_of_the_web_have_names_of_any_letters(folder, names_file):
    with storage_backends.web_server(folder) as address:
        images = open_images(address)  # the address tells the backend
        assert images.find(names_file).names == NAMES
        for name in NAMES:
            assert images.read(name) == (folder / name).read_bytes()
            assert images.holds(name)
        assert not images.holds('no.png')
        with pytest.raises(UnreadableImageError) as info:
            images.read('no one.png')
        for text in (f"'{address}/no one.png'", 'backend', '404'):
            assert text in str(info.value)
    with pytest.raises(UnreadableImageError, match="backend 'http.*URLError"):
        images.read(NAMES[0])  # the server is gone


def test_stamps_are_compared_by_bytes(folder):
    files, images = ImageFolder(folder), open_images('mem://set', PLAIN)
    for name in NAMES:
        _, stamp = files.read_stamped(name)
        _, there = images.read_stamped(name)
        assert there == stamp._replace(mtime_ns=0)
        assert images.stamp_of_same(stamp, name) == there
        assert files.stamp_of_same(there, name) == stamp
    storage_backends.FILES['mem://set/c.jpg'] += b'x'
    _, stamp = files.read_stamped('c.jpg')
    assert images.stamp_of_same(stamp, 'c.jpg') is None
    assert images.stamp_of_same(stamp, 'gone.jpg') is None


def test_what_cannot_be_listed_wants_a_list(folder, names_file):
    images = open_images('mem://set', PLAIN)
    with pytest.raises(ValueError, match="'memory' cannot list.*--ann-file"):
        images.find()
    names_file.write_text('c.jpg\nnotes.txt\nkey without ending\n../x.png\n')
    found = images.find(names_file)
    # Keys of databases often have no ending.
    assert found.names == ['c.jpg', 'key without ending']
    assert 'not a picture' in found.report()
    assert 'leaves the image folder' in found.report()


def test_keys_stand_alone_without_a_root(folder):
    storage_backends.FILES['key'] = b'bytes'
    assert open_images('.', PLAIN).read('key') == b'bytes'


@pytest.mark.parametrize('kind', ['memory', 'listed-memory'])
def test_failures_name_backend_and_file(folder, kind):
    images = open_images('mem://set', dict(backend=kind, broken=True))
    with pytest.raises(UnreadableImageError) as info:
        images.read('c.jpg')
    for text in ('mem://set/c.jpg', kind, 'RuntimeError: connection lost'):
        assert text in str(info.value)
    good = open_images('mem://set', dict(backend=kind))
    with pytest.raises(UnreadableImageError, match=f"'{kind}' has no such"):
        good.read('gone.jpg')
    if kind == 'listed-memory':
        with pytest.raises(OSError, match='cannot list.*connection lost'):
            images.find()


@pytest.mark.parametrize(
    'args', [dict(backend='petrol'), dict(backend='memory', brocken=1)]
)
def test_wrong_arguments_are_named_at_once(args):
    with pytest.raises(ValueError, match='cannot open the backend .*mem://'):
        open_images('mem://set', args)
    with pytest.raises(ValueError, match="cannot open the backend 'ftp:"):
        open_images('ftp://x', {})


def test_local_backend_is_the_folder(folder):
    images = open_images(folder, dict(backend='local'))
    assert isinstance(images, ImageFolder)


def test_a_process_opens_a_backend_of_its_own(folder):
    images = open_images('mem://set', PLAIN)
    mine = images.backend()
    assert images.backend() is mine
    pid = os.fork()
    if not pid:
        os._exit(images.backend() is mine)
    assert os.waitpid(pid, 0)[1] == 0
    copy = pickle.loads(pickle.dumps(images))
    assert copy.backend() is not mine
    assert copy.read('c.jpg') == images.read('c.jpg')
