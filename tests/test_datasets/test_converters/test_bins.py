"""The rule that made bins, on a small source and on lines of the real one."""

import json

import pytest
from PIL import Image

from mmsoco.datasets.converters import bins

# Label lines of the public source with their boxes in bins, pixels of 320.
KNOWN = [
    ('2 0.5214279153007743 0.25814987213200213 0.26802712539781515 '
     '0.48416670199158374', [123.97, 5.14, 85.77, 154.93]),
    # reaches below the picture
    ('0 0.509170079248913 0.6338613079386434 0.7197006290976773 '
     '0.7322773841227133', [47.78, 85.67, 230.3, 234.33]),
    ('2 0.4 0.575 0.28359375 0.51484375', [82.63, 101.62, 90.75, 164.75]),
    ('0 0.72578125 0.63984375 0.50078125 0.21171875',
     [152.13, 170.88, 160.25, 67.75]),
]  # fmt: skip


@pytest.mark.parametrize(('line', 'box'), KNOWN)
def test_boxes_are_those_of_bins(line, box):
    assert bins.read_boxes(line, (320, 320), 'x') == [(int(line[0]), box)]


def test_polygons_become_boxes_and_specks_are_dropped():
    text = '1 0.1 0.2 0.5 0.2 0.3 0.6\n\n0 0.5 0.5 0.001 0.5'
    assert bins.read_boxes(text, (100, 200), 'x') == [
        (1, [20.0, 20.0, 80.0, 40.0])
    ]


@pytest.mark.parametrize(
    ('line', 'message'),
    [('3 .5 .5 .1 .1', 'class of 0 to 2'), ('1 .5 .5', '2 numbers'),
     ('x .5 .5 .1 .1', "'x'")],
)  # fmt: skip
def test_bad_labels_are_named(line, message):
    with pytest.raises(ValueError, match=rf'f\.txt:2: .*{message}'):
        bins.read_boxes(f'0 .5 .5 .1 .1\n{line}', (10, 10), 'f.txt')


def test_one_file_per_photograph_at_even_distances():
    names = ['b.rf.2.jpg', 'a.rf.9.jpg', 'b.rf.1.jpg', 'a.rf.1.jpg', 'c.jpg']
    assert bins.photographs(names) == ['a.rf.1.jpg', 'b.rf.1.jpg', 'c.jpg']
    assert bins.evenly('abcdefg', 3) == ['a', 'c', 'e']


def test_sizes():
    assert bins.shrunk((640, 640)) == (320, 320)
    assert bins.shrunk((480, 640)) == (240, 320)
    assert bins.shrunk((300, 200)) == (300, 200)


@pytest.fixture
def source(tmp_path):
    """Three photographs of two files each."""
    folder = tmp_path / 'source' / 'train'
    (folder / 'images').mkdir(parents=True)
    (folder / 'labels').mkdir()
    for stem in 'abc':
        for variant in '12':
            name = f'{stem}.rf.{variant}'
            shape = (640, 320)
            Image.new('RGB', shape).save(folder / 'images' / f'{name}.jpg')
            (folder / 'labels' / f'{name}.txt').write_text(
                f'{variant} 0.5 0.5 0.5 0.5'
            )
    return tmp_path / 'source'


def test_a_whole_split(source, tmp_path):
    split = bins.Split('train', 'train', 2, 3, '')
    document = bins.convert(source, tmp_path / 'out', split)
    assert json.loads((tmp_path / 'out' / 'train.json').read_text()) == (
        document
    )
    assert [i['file_name'] for i in document['images']] == [
        'train_0001.jpg',
        'train_0002.jpg',
    ]
    with Image.open(tmp_path / 'out' / 'train' / 'train_0002.jpg') as picture:
        assert picture.size == (320, 160)
    [first, _] = document['annotations']
    assert first['bbox'] == [80.0, 40.0, 160.0, 80.0]
    assert (first['category_id'], first['area']) == (2, 12800.0)


def test_another_source_is_refused(source, tmp_path):
    split = bins.Split('train', 'train', 2, 4, '')
    with pytest.raises(ValueError, match='has 3 photographs, expected 4'):
        bins.convert(source, tmp_path / 'out', split)


@pytest.mark.parametrize('split', bins.SPLITS, ids=lambda s: s.name)
def test_hashes_are_those_of_the_data_at_hand(split, shared_dir):
    path = shared_dir / 'data' / 'bins' / f'{split.name}.json'
    document = json.loads(path.read_text())
    assert bins.content_hash(document) == split.sha256
    assert len(document['images']) == split.pictures
