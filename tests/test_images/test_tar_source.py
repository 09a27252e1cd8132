"""Images of a tar file, against `tar` and the loose files."""

import os
import pickle
import shutil
import subprocess
import tarfile

import numpy as np
import pytest
from PIL import Image

from mmsoco.images.errors import UnreadableImageError
from mmsoco.images.opening import ImageFolder, open_images
from mmsoco.images.packing import pack, partial_tar
from mmsoco.images.source import Extent
from mmsoco.images.tar_index import BLOCK, TarError
from mmsoco.images.tar_source import ImageTar

LONG = 'deep/' * 30 + 'ö long name.png'
NAMES = ['a.png', 'b/two words.png', 'c.png', LONG]


@pytest.fixture
def folder(tmp_path):
    """Four images with names short, spaced and beyond tar's 100 bytes."""
    rng = np.random.default_rng(0)
    root = tmp_path / 'images'
    for i, name in enumerate(NAMES):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (20 + i, 30, 3), np.uint8)
        Image.fromarray(pixels).save(path)
        os.utime(path, ns=(10**18, 10**18 + 1 + i))
    return root


@pytest.fixture
def packed(folder, tmp_path):
    source = ImageFolder(folder)
    return pack(source, source.find().names, tmp_path / 'out.tar').path


def test_tar_itself_reads_what_was_packed(folder, packed, tmp_path):
    (tmp_path / 'unpacked').mkdir()
    subprocess.run(
        ['tar', 'xf', packed, '-C', tmp_path / 'unpacked'], check=True
    )
    for name in NAMES:
        path = tmp_path / 'unpacked' / name
        assert path.read_bytes() == (folder / name).read_bytes()
        assert path.stat().st_mtime == 10**9


@pytest.mark.parametrize('kind', ['gnu', 'pax', 'ustar', 'oldgnu'])
def test_what_tar_itself_wrote_is_read(folder, tmp_path, kind):
    path = tmp_path / 'theirs.tar'
    names = NAMES[:3] if kind == 'ustar' else NAMES
    subprocess.run(
        ['tar', 'cf', path, f'--format={kind}', '-C', folder]
        + [f'./{name}' for name in names],
        check=True,
    )
    images = ImageTar(path)
    assert images.find().names == sorted(names)
    for name in names:
        data = (folder / name).read_bytes()
        assert images.read(name) == data
        offset, size = images.extent(name)
        with open(path, 'rb') as file:
            assert os.pread(file.fileno(), size, offset) == data


def test_same_images_give_the_same_bytes(folder, packed, tmp_path):
    source = ImageFolder(folder)
    again = pack(source, source.find().names, tmp_path / 'again.tar').path
    assert again.read_bytes() == packed.read_bytes()
    assert ImageTar(again).identity() == ImageTar(packed).identity()


def test_any_place_opens_as_what_it_is(folder, packed, tmp_path):
    assert isinstance(open_images(folder), ImageFolder)
    assert isinstance(open_images(packed), ImageTar)
    (tmp_path / 'folder.tar').mkdir()
    assert isinstance(open_images(tmp_path / 'folder.tar'), ImageFolder)


def test_pixels_sizes_and_stamps_are_those_of_the_files(folder, packed):
    tar, files = ImageTar(packed), ImageFolder(folder)
    for name in NAMES:
        extent = tar.extent(name)
        pixels = files.read_rgb(name)
        for where in (None, extent):
            assert (tar.read_rgb(name, where) == pixels).all()
            assert tar.read_size(name, where) == pixels.shape[:2]
        _, stamp = files.read_stamped(name)
        data, in_tar = tar.read_stamped(name)
        assert data == (folder / name).read_bytes()
        assert in_tar == stamp._replace(mtime_ns=10**18)
        # The same picture as a file and in the tar file, either way round.
        assert tar.stamp_of_same(stamp, name, extent) == in_tar
        assert files.stamp_of_same(in_tar, name) == stamp
        assert tar.stamp_of_same(in_tar, name) is in_tar
        other = stamp._replace(digest=stamp.digest ^ 1)
        assert tar.stamp_of_same(other, name) is None


def test_a_copy_for_another_process_opens_the_file_itself(packed):
    tar = ImageTar(packed)
    tar.read('a.png')
    copy = pickle.loads(pickle.dumps(tar))
    assert copy._file is None
    assert copy.read('a.png') == tar.read('a.png')
    assert len(pickle.dumps(tar)) < 500  # no index travels


def test_forks_read_at_once_and_do_not_disturb_each_other(folder, packed):
    """They share the parent's open file, of which the position is not used."""
    tar = ImageTar(packed)
    extents = {name: tar.extent(name) for name in NAMES}
    children = []
    for _ in range(3):
        pid = os.fork()
        if not pid:
            good = all(
                tar.read(name, extents[name]) == (folder / name).read_bytes()
                for name in NAMES * 50
            )
            os._exit(not good)
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0]


def test_index_leaves_out_and_says_so(tmp_path):
    path = tmp_path / 'a.tar'
    with tarfile.open(path, 'w') as tar:
        for name in ['x.png', '.hidden.png', 'd/._x.png', 'notes.txt', 'x.png',
                     '../out.png', '/abs.png']:  # fmt: skip
            tar.addfile(tarfile.TarInfo(name))
        link = tarfile.TarInfo('link.png')
        link.type, link.linkname = tarfile.SYMTYPE, 'x.png'
        tar.addfile(link)
    end = path.stat().st_size
    with open(path, 'ab') as file:  # as `cat` joins two
        file.write(path.read_bytes())
    found = ImageTar(path).find()
    assert found.names == ['x.png']
    report = found.report()
    for text in (
        'hidden or of the system', '.txt file: not a picture',
        'twice: the later one counts', 'leaves the tar file',
        'link, device or sparse', 'link.png', '/abs.png', '../out.png',
        'data after the end', f'from byte {end}',
    ):  # fmt: skip
        assert text in report


def test_names_of_a_list(packed, tmp_path):
    listed = tmp_path / 'names.txt'
    listed.write_text('c.png\nnot there.png\n./a.png\n')
    found = ImageTar(packed).find(listed)
    assert found.names == ['a.png', 'c.png']
    assert 'listed, but not in the tar file' in found.report()


def cut(path, size):
    data = path.read_bytes()
    path.write_bytes(data[:size])
    return len(data)


@pytest.mark.parametrize('lost', [1024, 2000, 3000])
def test_tar_cut_short_is_named(packed, lost):
    """In its end, in the padding and in the bytes of the last image."""
    cut(packed, packed.stat().st_size - lost)
    with pytest.raises(TarError, match='out.tar.*was cut short.*mmsoco pack'):
        _ = ImageTar(packed).index


def test_damaged_header_does_not_end_the_list_quietly(packed):
    tar = ImageTar(packed)
    at = tar.extent('c.png').offset - BLOCK
    data = bytearray(packed.read_bytes())
    data[at + 200] ^= 1
    packed.write_bytes(data)
    os.utime(packed, ns=(1, 1))
    with pytest.raises(TarError, match=f'no header at byte {at}'):
        _ = ImageTar(packed).index


@pytest.mark.parametrize(
    ('key', 'value', 'message'),
    [
        ('mtime', 'inf', None),
        ('mtime', 'nan', None),
        ('mtime', '1e30', None),
        ('size', '1' + '0' * 40, 'offset-sized'),
        ('GNU.sparse.size', 'x', "'x'"),
    ],
)
def test_extended_header_with_nonsense(tmp_path, key, value, message):
    path = tmp_path / 'a.tar'
    info = tarfile.TarInfo('a.png')
    info.pax_headers = {key: value}
    with tarfile.open(path, 'w', format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(info)
    if message is None:  # a time is no reason to lose an image
        assert ImageTar(path).find().names == ['a.png']
    else:
        with pytest.raises(TarError, match=rf'a\.tar.*damaged.*{message}'):
            _ = ImageTar(path).index


def test_image_behind_the_end_is_named_with_both_counts(packed):
    tar = ImageTar(packed)
    extent = tar.extent('c.png')
    cut(packed, extent.offset + 7)
    with pytest.raises(UnreadableImageError) as info:
        tar.read('c.png', extent)
    text = str(info.value)
    assert 'out.tar:c.png' in text and 'mmsoco pack' in text
    assert f'expected {extent.size} bytes' in text
    assert 'ends after 7 of them' in text


def test_place_that_is_not_the_image_is_refused(packed):
    tar = ImageTar(packed)
    offset, size = tar.extent('a.png')
    for extent in (Extent(offset + BLOCK, size), Extent(offset, size - 1)):
        with pytest.raises(UnreadableImageError, match='damaged or replaced'):
            tar.read('a.png', extent)
        assert not tar.holds('a.png', extent)
    assert tar.holds('a.png', Extent(offset, size))


def test_other_tar_is_refused(packed):
    told = ImageTar(packed).identity()
    ImageTar(packed).refuse_other(told)
    data = bytearray(packed.read_bytes())
    data[-1] ^= 1
    packed.write_bytes(data)
    with pytest.raises(TarError, match=r'out\.tar.*has other contents'):
        ImageTar(packed).refuse_other(told)
    size = cut(packed, 9000)
    with pytest.raises(TarError, match=f'9000 bytes, expected {size}.*short'):
        ImageTar(packed).refuse_other(told)


@pytest.mark.parametrize('mode', ['w:gz', 'w:bz2', 'w:xz'])
def test_compressed_tar_is_refused_by_name(tmp_path, mode):
    path = tmp_path / 'a.tar'
    with tarfile.open(path, mode) as tar:
        tar.addfile(tarfile.TarInfo('a.png'))
    with pytest.raises(TarError, match=r'a\.tar.*compressed.*mmsoco pack'):
        open_images(path)


def test_file_that_is_no_tar_and_one_that_is_gone(tmp_path):
    (tmp_path / 'a.txt').write_text('text')
    with pytest.raises(TarError, match='expected a folder.*a.txt'):
        open_images(tmp_path / 'a.txt')
    with pytest.raises(FileNotFoundError, match='gone.tar.*give its new path'):
        open_images(tmp_path / 'gone.tar')


def test_interrupted_packing_goes_on_behind_what_is_the_same(
    folder, packed, tmp_path
):
    whole = packed.read_bytes()
    source = ImageFolder(folder)
    names = source.find().names
    cuts = [0, 1, BLOCK, ImageTar(packed).extent('c.png').offset + 9]
    for size, kept in zip(cuts, [0, 0, 0, 2], strict=True):
        out = tmp_path / f'{size}.tar'
        partial_tar(out).write_bytes(whole[:size])
        done = []
        result = pack(source, names, out, done.append)
        assert out.read_bytes() == whole
        assert (result.kept, result.images) == (kept, 4)
        assert done == [1, 2, 3, 4] and not partial_tar(out).exists()


def test_what_changed_meanwhile_is_written_again(folder, packed, tmp_path):
    out = tmp_path / 'new.tar'
    partial_tar(out).write_bytes(packed.read_bytes())
    Image.new('RGB', (9, 9)).save(folder / 'b/two words.png')
    source = ImageFolder(folder)
    result = pack(source, source.find().names, out)
    assert result.kept == 1
    tar = ImageTar(out)
    assert tar.find().names == NAMES
    for name in NAMES:
        assert tar.read(name) == (folder / name).read_bytes()


def test_interrupted_packing_is_not_under_the_final_name(folder, tmp_path):
    out = tmp_path / 'out.tar'
    source = ImageFolder(folder)

    def stop(done):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack(source, source.find().names, out, stop)
    assert not out.exists() and partial_tar(out).exists()
    assert pack(source, source.find().names, out).kept == 2


def test_unreadable_images_are_left_out_and_named(folder, tmp_path):
    (folder / 'c.png').unlink()
    os.symlink(folder, folder / 'c.png')
    result = pack(ImageFolder(folder), NAMES, tmp_path / 'out.tar')
    assert result.images == 3
    assert 'c.png' in str(result.problems)
    with pytest.raises(ValueError, match='not one of the 1 images'):
        pack(ImageFolder(folder), ['c.png'], tmp_path / 'none.tar')
    assert [p.name for p in tmp_path.glob('none*')] == []


def test_a_name_that_is_not_utf8_is_left_out_of_a_tar(folder, tmp_path):
    name = os.fsdecode(b'\xff.png')
    shutil.copy(folder / 'a.png', folder / name)
    source = ImageFolder(folder)
    packed = pack(source, source.find().names, tmp_path / 'x.tar')
    assert packed.images == len(source.find().names) - 1
    assert 'its name is not UTF-8' in str(packed.problems)


def test_two_calls_do_not_write_one_file(folder, tmp_path):
    out = tmp_path / 'out.tar'
    source = ImageFolder(folder)

    def call_again(done):
        with pytest.raises(BlockingIOError, match='out.tar is in use'):
            pack(source, NAMES, out)

    assert pack(source, NAMES, out, call_again).images == 4


def test_full_disk_says_what_to_do(folder, tmp_path, monkeypatch):
    out = tmp_path / 'out.tar'

    def full(_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(OSError, match=r'out\.tar.*is kept.*No space'):
        pack(ImageFolder(folder), NAMES, out)
    assert not out.exists()
    monkeypatch.undo()
    assert pack(ImageFolder(folder), NAMES, out).kept == 4
