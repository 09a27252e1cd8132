import json

import pytest

from mmsoco.images.lists import (
    collect_names,
    fingerprint,
    parse_shard,
    take_shard,
)


def test_folder(image_root):
    names = collect_names(image_root)
    assert len(names) == 10 and names == sorted(names)


def test_lines(image_root, tmp_path):
    path = tmp_path / 'names.txt'
    path.write_text('b/ö 图.png\n\n  a.png \r\na.png\n', encoding='utf-8')
    assert collect_names(image_root, path) == ['a.png', 'b/ö 图.png']


def test_coco(image_root, tmp_path):
    path = tmp_path / 'ann.json'
    images = [{'id': 2, 'file_name': 'b.png'}, {'file_name': 'a.png'}]
    path.write_text(json.dumps({'images': images, 'annotations': []}))
    assert collect_names(image_root, path) == ['a.png', 'b.png']


@pytest.mark.parametrize(
    'name, content, text',
    [
        ('a.txt', b'\n \n', 'names no images'),
        ('a.txt', b'\xff\xfe', 'cannot read'),
        ('a.json', b'{', 'cannot read'),
        ('a.json', b'{}', 'not COCO-style'),
        ('a.json', b'[1]', 'not COCO-style'),
        ('a.json', b'{"images": [{"id": 1}]}', 'not COCO-style'),
    ],
)
def test_malformed_files_are_named(image_root, tmp_path, name, content, text):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=text) as info:
        collect_names(image_root, tmp_path / name)
    assert name in str(info.value)


def test_missing(image_root, tmp_path):
    with pytest.raises(FileNotFoundError, match='no.txt'):
        collect_names(image_root, tmp_path / 'no.txt')
    (tmp_path / 'names.txt').write_text('a')
    for ann_file in (None, tmp_path / 'names.txt'):
        with pytest.raises(FileNotFoundError, match='nowhere'):
            collect_names(tmp_path / 'nowhere', ann_file)
    (tmp_path / 'empty').mkdir()
    with pytest.raises(ValueError, match='no images in .*empty'):
        collect_names(tmp_path / 'empty')


def test_fingerprint_tells_lists_apart():
    lists = [[], [''], ['a', 'b'], ['ab'], ['b', 'a'], ['a', 'b\udcff']]
    assert len({fingerprint(names) for names in lists}) == len(lists)


@pytest.mark.parametrize('count', [1, 2, 3, 7, 20])
def test_shards_join_to_the_list(count):
    names = [f'{i:03d}' for i in range(11)]
    shards = [take_shard(names, (i, count)) for i in range(count)]
    assert sum(shards, []) == names
    sizes = {len(shard) for shard in shards}
    assert max(sizes) - min(sizes) <= 1


def test_parse_shard():
    assert parse_shard('0/1') == (0, 1) and parse_shard('15/16') == (15, 16)
    for text in ('1', '/', 'a/2', '-1/2', '1/', '/2'):
        with pytest.raises(ValueError, match='as i/n'):
            parse_shard(text)
    for text in ('2/2', '0/0'):
        with pytest.raises(ValueError, match='count from 0'):
            parse_shard(text)
