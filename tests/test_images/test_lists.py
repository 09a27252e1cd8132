import codecs
import json
import os
import socket
from pathlib import Path

import pytest
from PIL import features

from mmsoco.images.errors import NOT_A_FILE, UnreadableImageError
from mmsoco.images.lists import find_images, fingerprint, refuse_none
from mmsoco.images.reading import is_turned, read_rgb, read_size
from mmsoco.images.stamps import read_stamped


def names_in(root, ann_file=None):
    found = find_images(root, ann_file)
    refuse_none(found, ann_file)
    return found.names


def test_a_folder_is_listed_with_what_is_below_it_in_order(tmp_path):
    names = ['b/é 图.PNG', 'b/a.jpg', 'Z.webp', 'a b/c/d.JPEG', 'b.jpg']
    touch(tmp_path, *names, 'notes.txt', 'jpg', 'b/x.json')
    (tmp_path / 'folder.jpg').mkdir()
    assert names_in(tmp_path) == sorted(names)


def test_lines(image_root, tmp_path):
    path = tmp_path / 'names.txt'
    path.write_text('b/ö 图.png\n\n  a.png \r\na.png\n', encoding='utf-8')
    assert names_in(image_root, path) == ['a.png', 'b/ö 图.png']


def test_coco(image_root, tmp_path):
    path = tmp_path / 'ann.json'
    images = [{'id': 2, 'file_name': 'b/a.png'}, {'file_name': 'a.png'}]
    path.write_text(json.dumps({'images': images, 'annotations': []}))
    assert names_in(image_root, path) == ['a.png', 'b/a.png']


@pytest.mark.parametrize(
    'name, content, text',
    [
        ('a.txt', b'\n \n', 'no images named by'),
        ('a.txt', b'\xff\x00', 'cannot read .*not UTF-8.*at byte 0'),
        ('a.txt', b'no.png 3', 'no images(.|\n)*not in the folder.*no.png'),
        ('a.json', b'{', 'cannot read'),
        ('a.json', b'{}', 'not COCO-style'),
        ('a.json', b'[1]', 'not COCO-style'),
        ('a.json', b'{"images": [{"id": 1}]}', 'not COCO-style'),
    ],
)
def test_malformed_files_are_named(image_root, tmp_path, name, content, text):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=text) as info:
        names_in(image_root, tmp_path / name)
    assert name in str(info.value)


def test_missing(image_root, tmp_path):
    with pytest.raises(FileNotFoundError, match='no.txt'):
        names_in(image_root, tmp_path / 'no.txt')
    with pytest.raises(IsADirectoryError, match='list .* is a folder'):
        names_in(image_root, tmp_path)
    (tmp_path / 'names.txt').write_text('a')
    for ann_file in (None, tmp_path / 'names.txt'):
        with pytest.raises(FileNotFoundError, match='nowhere'):
            names_in(tmp_path / 'nowhere', ann_file)
        with pytest.raises(NotADirectoryError, match='names.txt. is a file'):
            names_in(tmp_path / 'names.txt', ann_file)
    (tmp_path / 'empty').mkdir()
    with pytest.raises(ValueError, match='no images in .*empty'):
        names_in(tmp_path / 'empty')


LEFT_BEHIND = [
    '.ipynb_checkpoints/a-checkpoint.png',
    '.Trash-1000/files/a.png',
    '@eaDir/a.png/SYNOFILE_THUMB_M.png',
    '__MACOSX/._a.png',
    '._a.png',
    '$RECYCLE.BIN/a.png',
    'lost+found/a.png',
    'd/.thumbs/a.png',
]


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def counted(found):
    return {problem.what: problem.count for problem in found.problems}


def test_what_systems_leave_behind_is_left_out(tmp_path):
    touch(tmp_path, 'd/a.png', 'b.png', 'Thumbs.db', *LEFT_BEHIND)
    found = find_images(tmp_path)
    assert found.names == ['b.png', 'd/a.png']
    assert counted(found) == {
        'folder that is hidden or of the system': 7,
        'file that is hidden or of the system': 2,
    }
    report = found.report()
    assert '2 images' in report and '9 entries left out' in report
    # three of a kind are named
    assert report.count('/') >= 3 and 'and 4 more' in report


def test_other_files_are_counted_by_their_ending(tmp_path):
    touch(tmp_path, 'a.png', 'a.txt', 'b.TXT', 'c', 'd.HEIC', 'e.tga', 'f.1')
    found = find_images(tmp_path)
    assert found.names == ['a.png']
    assert counted(found) == {
        '.txt file: not a picture': 2,
        'not a picture by its name': 2,
        '.heic picture, which cannot be read: convert it to .png': 1,
        '.tga picture, which cannot be read: convert it to .png': 1,
    }


@pytest.mark.parametrize(
    'library, endings',
    [
        (None, ['.jfif', '.mpo', '.apng', '.pnm', '.dib']),
        ('jpg_2000', ['.jpf', '.jp2']),
        ('avif', ['.avif']),
        ('webp', ['.webp']),
    ],
)
def test_rarer_endings_are_taken_where_they_can_be_read(
    tmp_path, library, endings
):
    names = sorted(f'a{ending}' for ending in endings)
    touch(tmp_path, *names)
    found = find_images(tmp_path)
    if library is None or features.check(library):
        assert found.names == names and not found.problems
    else:
        assert found.names == []
        assert sum(counted(found).values()) == len(names)


def make_odd(root):
    """Make what would block or never end, and a link to a good file."""
    os.mkfifo(root / 'pipe.png')
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(root / 'socket.png'))
    (root / 'device.png').symlink_to('/dev/zero')
    (root / 'link.png').symlink_to(root / 'a.png')


def test_what_is_no_file_is_left_out(tmp_path):
    touch(tmp_path, 'a.png')
    make_odd(tmp_path)
    names = tmp_path / 'names.txt'
    names.write_text('\n'.join(path.name for path in tmp_path.iterdir()))
    for ann_file in (None, names):
        found = find_images(tmp_path, ann_file)
        assert found.names == ['a.png', 'link.png']
        assert counted(found)[NOT_A_FILE] == 3
    assert 'pipe.png' in find_images(tmp_path).report()


@pytest.mark.parametrize('read', [read_rgb, read_size, is_turned])
def test_reading_what_is_no_file(tmp_path, read):
    """Named by a store or a label file, past the reader of folders."""
    touch(tmp_path, 'a.png')
    make_odd(tmp_path)
    for name in ('pipe.png', 'socket.png', 'device.png', '.'):
        with pytest.raises(UnreadableImageError, match='not a regular file'):
            read(tmp_path / name)
        with pytest.raises(OSError, match='not a regular file'):
            read_stamped(tmp_path / name)


def test_folder_that_cannot_be_read_is_left_out(tmp_path, monkeypatch):
    touch(tmp_path, 'a.png', 'closed/b.png')
    scandir = os.scandir

    def refuse(path):
        if Path(path).name in ('closed', 'shut'):
            raise PermissionError(13, 'Permission denied', path)
        return scandir(path)

    monkeypatch.setattr(os, 'scandir', refuse)
    found = find_images(tmp_path)
    assert found.names == ['a.png']
    assert counted(found) == {
        'folder that cannot be read: Permission denied': 1
    }
    (tmp_path / 'shut').mkdir()
    with pytest.raises(PermissionError, match='shut'):
        find_images(tmp_path / 'shut')


def test_links(tmp_path):
    root = tmp_path / 'root'
    touch(tmp_path, 'root/a.png', 'other/b.png')
    (root / 'gone.png').symlink_to('nothing.png')
    (root / 'here.png').symlink_to('a.png')
    (root / 'there').symlink_to(tmp_path / 'other')
    (root / 'circle').symlink_to(root)
    found = find_images(root)
    assert found.names == ['a.png', 'here.png', 'there/b.png']
    assert counted(found) == {
        'link to a file that is not there': 1,
        'link to a folder above itself': 1,
    }


@pytest.mark.parametrize('by_list', [False, True])
def test_links_in_a_circle_cost_no_other_image(tmp_path, by_list):
    touch(tmp_path, 'a.png')
    (tmp_path / 'b.png').symlink_to('c.png')
    (tmp_path / 'c.png').symlink_to('b.png')
    names = tmp_path / 'names.txt'
    names.write_text('a.png\nb.png\nc.png\n')
    found = find_images(tmp_path, names if by_list else None)
    assert found.names == ['a.png']
    assert counted(found)['link to a file that is not there'] == 2


@pytest.mark.parametrize(
    'line, name',
    [
        ('c d.png 7', 'c d.png'),
        ('"c d.png"', 'c d.png'),
        ("'a.png'", 'a.png'),
        ('a.png,', 'a.png'),
        ('"a.png" ;', 'a.png'),
        ('c d.png\t7', 'c d.png'),
        ('b/a.png,cat,1', 'b/a.png'),
        ('"c d.png", cat', 'c d.png'),
        ('b\\a.png', 'b/a.png'),
        ('.\\b\\a.png 3', 'b/a.png'),
        ('./a.png', 'a.png'),
        ('b//a.png', 'b/a.png'),
        ('b/../a.png', 'a.png'),
        ('B/O\u0308 图.PNG', 'b/ö 图.png'),
        ('{root}/b/a.png', 'b/a.png'),
    ],
)
def test_lists_are_read_as_they_are_written(image_root, tmp_path, line, name):
    text = line.replace('{root}', str(image_root)) + '\r\n\r\n'
    path = tmp_path / 'names.txt'
    path.write_bytes(text.encode())
    assert find_images(image_root, path).names == [name]


@pytest.mark.parametrize(
    'data',
    [
        codecs.BOM_UTF8 + 'b/ö 图.png\r\n'.encode(),
        'b/ö 图.png'.encode('utf-16'),
    ],
)
def test_byte_order_marks(image_root, tmp_path, data):
    path = tmp_path / 'names.txt'
    path.write_bytes(data)
    assert find_images(image_root, path).names == ['b/ö 图.png']


@pytest.mark.parametrize(
    'name',
    [
        '../outside.png',
        'b/../../outside.png',
        '..\\outside.png',
        '{tmp}/outside.png',
        '/etc/outside.png',
        'C:\\pictures\\outside.png',
        '//server/outside.png',
    ],
)
def test_no_name_leaves_the_folder(image_root, tmp_path, name):
    touch(tmp_path, 'outside.png')
    name = name.replace('{tmp}', str(tmp_path))
    (tmp_path / 'names.txt').write_text(f'a.png\n{name}\n')
    images = [{'file_name': 'a.png'}, {'file_name': name}]
    (tmp_path / 'names.json').write_text(json.dumps({'images': images}))
    for ann_file in ('names.txt', 'names.json'):
        found = find_images(image_root, tmp_path / ann_file)
        assert found.names == ['a.png']
        assert counted(found)['name that leaves the image folder'] == 1


def test_what_a_list_names_in_vain_is_counted(image_root, tmp_path):
    lines = ['a.png 1', 'a.png 1', 'no.png', 'b', '# note', 'x.txt']
    (tmp_path / 'names.txt').write_text('\n'.join(lines))
    found = find_images(image_root, tmp_path / 'names.txt')
    assert found.names == ['a.png']
    assert counted(found) == {
        'label after the name: not used': 2,
        'named twice: taken once': 1,
        'listed, but not in the folder': 2,
        NOT_A_FILE: 1,
        '.txt file: not a picture': 1,
    }


def test_two_spellings_of_a_file(tmp_path):
    touch(tmp_path / 'images', 'a.png')
    (tmp_path / 'names.txt').write_text('a.png\nA.PNG\n./a.png\n')
    found = find_images(tmp_path / 'images', tmp_path / 'names.txt')
    assert found.names == ['a.png']
    assert counted(found)['named twice: taken once'] == 2


def test_fingerprint_tells_lists_apart():
    lists = [[], [''], ['a', 'b'], ['ab'], ['b', 'a'], ['a', 'b\udcff']]
    assert len({fingerprint(names) for names in lists}) == len(lists)
