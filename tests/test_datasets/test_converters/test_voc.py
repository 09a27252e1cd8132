import json
import os
from pathlib import Path

import pytest
from command import call, succeed
from PIL import Image
from voc_documents import annotation_xml, object_xml

from mmsoco.datasets.converters import voc as voc2coco
from mmsoco.datasets.label_checks import check_labels
from mmsoco.datasets.label_reading import read_labels
from mmsoco.utils.problems import Outcome, Problems


def one(*objects):
    """Return the annotation of one.jpg."""
    return annotation_xml('one.jpg', *objects)


@pytest.fixture
def voc(tmp_path):
    """Two pictures with their annotations."""
    for folder in ('Annotations', 'JPEGImages', 'ImageSets/Main'):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / 'ImageSets/Main/train.txt').write_text('one\n')
    (tmp_path / 'ImageSets/Main/all.txt').write_text('two\none\n\n')
    for name in ('one', 'two'):
        picture = tmp_path / f'JPEGImages/{name}.jpg'
        Image.new('RGB', (100, 80)).save(picture)
    (tmp_path / 'Annotations/one.xml').write_text(
        one(
            object_xml('cat', (1, 1, 100, 80)),
            object_xml('ant', (11, 21, 20, 40), difficult='1'),
        )
    )
    (tmp_path / 'Annotations/two.xml').write_text(
        annotation_xml('two.jpg', object_xml('bee', (5, 6, 5, 6)))
    )
    return tmp_path


def test_boxes_are_continuous(voc):
    document = voc2coco.convert(voc, 'train', None)
    cat, ant = document['annotations']
    # the whole picture: corners 1..100 and 1..80 cover 0..100 and 0..80
    assert cat['bbox'] == [0, 0, 100, 80]
    assert ant['bbox'] == [10, 20, 10, 20]
    assert ant['area'] == 200
    assert (cat['iscrowd'], ant['iscrowd']) == (0, 1)


def test_classes_agree_between_splits(voc):
    whole = voc2coco.convert(voc, 'all', None)
    part = voc2coco.convert(voc, 'train', None)
    names = [category['name'] for category in whole['categories']]
    assert names == ['ant', 'bee', 'cat']
    assert part['categories'] == whole['categories']
    assert [image['file_name'] for image in whole['images']] == [
        'two.jpg',
        'one.jpg',
    ]


def test_chosen_classes_leave_others_out(voc):
    document = voc2coco.convert(voc, 'all', ['cat', 'bee'])
    names = {c['id']: c['name'] for c in document['categories']}
    assert names == {1: 'cat', 2: 'bee'}
    found = [names[a['category_id']] for a in document['annotations']]
    assert found == ['bee', 'cat']


def test_boxes_are_clipped_to_the_picture(voc):
    path = voc / 'Annotations/one.xml'
    path.write_text(one(object_xml('cat', (0, 0, 120, 50))))
    (annotation,) = voc2coco.convert(voc, 'train', None)['annotations']
    assert annotation['bbox'] == [0, 0, 100, 50]


def test_result_loads_with_pycocotools(voc):
    from pycocotools.coco import COCO

    out = voc / 'made' / 'all.json'
    succeed('convert', 'voc', voc, '--out', out, '--split', 'all')
    coco = COCO(str(out))
    assert len(coco.getAnnIds()) == 3
    assert [path.name for path in out.parent.iterdir()] == ['all.json']


def convert_one(voc, content, **kwargs):
    """Convert the split of one picture with another annotation."""
    if isinstance(content, str):
        content = content.encode()
    (voc / 'Annotations/one.xml').write_bytes(content)
    problems = Problems()
    document = voc2coco.convert(voc, 'all', problems=problems, **kwargs)
    return document, problems


CAT = object_xml('cat', (1, 1, 10, 20))
BOX = CAT.partition('</difficult>')[2]
TWICE = '<bndbox><xmin>2</xmin>'


@pytest.mark.parametrize(
    ('content', 'what'),
    [
        ('<annotation>', 'not XML: picture left out (one.xml: no element'),
        ('<a></a>', 'expected <annotation>, got <a>'),
        (one('<object><name>a</name></object>'),
         'has no <bndbox>: picture left out (one.xml)'),
        (one(CAT.replace('xmin', 'left')),
         'lacks a corner: picture left out (one.xml: <xmin>)'),
        (one(object_xml('a', ('x', 1, 2, 3))),
         "not a number: picture left out (one.xml: <xmin> is 'x')"),
        (one(object_xml('a', (1, 'nan', 2, 3))), "<ymin> is 'nan'"),
        (one(object_xml('a', (1, 1, 'inf', 3))), "<xmax> is 'inf'"),
        (one(object_xml(' ', (1, 1, 2, 3))), 'an <object> has no <name>'),
        (one(object_xml('a', (900, 1, 20, 3))),
         'neither in order nor in the picture'),
        (one(object_xml('a', (0.1, 0.2, 0.5, 1))),
         'fractions of the picture, expected pixels: picture left out '
         '(one.xml: [0.1, 0.2, 0.5, 1.0])'),
        (one(object_xml('a', ('1_0', 1, 20, 3))), "<xmin> is '1_0'"),
        (one(CAT.replace('</object>', BOX)), 'more than one <bndbox>'),
        (one(CAT.replace('<bndbox>', TWICE)),
         'has a corner twice: picture left out (one.xml: <xmin>)'),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_left_out_and_named(voc, content, what):
    document, problems = convert_one(voc, content)
    assert [i['file_name'] for i in document['images']] == ['two.jpg']
    (lost,) = problems.of(Outcome.LOST)
    assert what in str(lost) and lost.count == 1


def test_box_outside_is_left_out_alone(voc):
    outside = object_xml('a', (150, 1, 160, 3))
    document, problems = convert_one(voc, one(outside, CAT))
    assert len(document['images']) == 2 and len(document['annotations']) == 2
    (lost,) = problems.of(Outcome.LOST)
    assert str(lost).startswith('box lies outside of the picture (')


GOOD = one(CAT)
CHINESE = annotation_xml('图.jpg', CAT.replace('cat', '狗'))


@pytest.mark.parametrize(
    ('content', 'what'),
    [
        (GOOD.replace('<filename>one.jpg</filename>', ''), 'no <filename>'),
        (GOOD.replace('one.jpg', r'C:\\data\\one.jpg'), None),
        (GOOD.replace('one.jpg', '../../JPEGImages/one.jpg'), None),
        (GOOD.replace('<width>100</width>', ''), 'no usable height and width'),
        (GOOD.replace('>100<', '>0<'), 'no usable height and width'),
        (GOOD.replace('>100<', '>nan<'), 'no usable height and width'),
        (GOOD.replace('<size>', '<s>').replace('</size>', '</s>'), 'no usab'),
        (annotation_xml('one.jpg', CAT, size=(100, 80)), 'are swapped'),
        (GOOD.replace('>100<', '>99<'), "size differs from the picture's"),
        (
            one(object_xml('cat', (10, 1, 1, 20))),
            'corners of a box are swapped',
        ),
        (
            GOOD.replace('<size>', '<folder>a & b</folder><size>'),
            '& without escape',
        ),
        (b'\xef\xbb\xbf' + GOOD.encode(), None),
        (GOOD.encode('utf-16'), None),
        (
            (
                '<?xml version="1.0" encoding="gb2312"?>'
                + GOOD.replace('<size>', '<folder>图</folder><size>')
            ).encode('gb2312'),
            None,
        ),
    ],
)
def test_what_the_picture_tells_is_repaired(voc, content, what):
    """Each comes out as the good annotation does."""
    expected, _ = convert_one(voc, GOOD)
    document, problems = convert_one(voc, content)
    assert document == expected
    assert not problems.count(Outcome.LOST)
    repaired = problems.of(Outcome.REPAIRED)
    assert [what in p.what for p in repaired] == [True] * (what is not None)


@pytest.mark.parametrize(
    ('declared', 'encoding'),
    [
        ('<?xml version="1.0" encoding="gb2312"?>', 'gb2312'),
        ("<?xml version='1.0' encoding='GBK'?>", 'gbk'),
        ('<?xml version="1.0" encoding="utf-8"?>', 'gb2312'),
        ('', 'gb2312'),
        ('<?xml version="1.0" encoding="nonsense"?>', 'utf-8'),
        ('<?xml version="1.0" encoding="utf-16"?>', 'utf-16'),
    ],
)
def test_odd_encodings(voc, declared, encoding):
    document, _ = convert_one(voc, (declared + CHINESE).encode(encoding))
    names = [category['name'] for category in document['categories']]
    assert names == ['bee', '狗']


@pytest.mark.parametrize(
    'line',
    [
        'one.jpg',
        '  one  ',
        'one 1',
        'JPEGImages/one.jpg',
        'JPEGImages\\\\one.jpg -1',
        '../../secret/one',
        '\ufeffone',
    ],
)
def test_entries_of_lists(voc, line):
    (voc / 'ImageSets/Main/train.txt').write_text(f'{line}\r\n')
    document = voc2coco.convert(voc, 'train')
    assert [i['file_name'] for i in document['images']] == ['one.jpg']


def test_names_with_blanks(voc):
    for path in ('Annotations/one.xml', 'JPEGImages/one.jpg'):
        (voc / path).rename((voc / path).with_stem('a one'))
    (voc / 'ImageSets/Main/train.txt').write_text('a one\na one 1\nno\n')
    problems = Problems()
    document = voc2coco.convert(voc, 'train', problems=problems)
    assert [i['file_name'] for i in document['images']] == ['a one.jpg']
    assert {p.what: p.count for p in problems.of(Outcome.LOST)} == {
        'listed, but there is no annotation of it': 1
    }


def test_other_splits_do_not_stop_this_one(voc):
    (voc / 'Annotations/two.xml').write_text('<annot')
    (voc / 'Annotations/._one.xml').write_bytes(b'\0\1')
    problems = Problems()
    document = voc2coco.convert(voc, 'train', problems=problems)
    assert len(document['annotations']) == 2 and not problems


def test_all_problems_come_in_one_table(voc):
    two = annotation_xml('two.jpg', object_xml('bee', (9, 6, 5, 16)))
    (voc / 'Annotations/two.xml').write_text(two)
    for name in 'abcde':
        (voc / f'Annotations/{name}.xml').write_text('<annot')
    out = voc / 'out.json'
    outcome = call('convert', 'voc', voc, '--out', out)
    assert outcome.status == 3 and out.exists()
    assert '5 items were LEFT OUT' in outcome.out
    assert 'a.xml: ' in outcome.out and 'and 2 more' in outcome.out
    assert 'corners of a box are swapped' in outcome.out
    out.unlink()
    outcome = call('convert', 'voc', voc, '--out', out, '--strict')
    assert outcome.status == 1 and not out.exists()
    assert '6 problems were found, and --strict refuses them' in outcome.err


@pytest.mark.parametrize(
    ('named', 'is_other'),
    [
        ('one', False),
        ('ONE.JPG', False),
        (r'C:\data\one.jpg', False),
        ('gone.jpg', True),
        ('one.png', True),
        ('sub/two.jpg', True),
    ],
)
def test_name_of_a_missing_or_another_picture(voc, named, is_other):
    content = GOOD.replace('one.jpg', named)
    document, problems = convert_one(voc, content)
    assert document == convert_one(voc, GOOD)[0]
    assert problems.count(Outcome.REPAIRED) == is_other
    out = voc / 'out.json'
    (voc / 'Annotations/one.xml').write_text(content)
    command = ('convert', 'voc', voc, '--out', out, '--split', 'train')
    outcome = call(*command, '--strict')
    assert outcome.status == is_other
    if is_other:
        assert f'one.xml: {named.rpartition("/")[2]}, taken' in outcome.err
        assert call(*command).status == 0  # nothing was lost


def test_neither_name_nor_size_is_the_picture_s(voc):
    content = GOOD.replace('one.jpg', 'two.jpg').replace('>100<', '>99<')
    document, problems = convert_one(voc, content)
    assert [i['file_name'] for i in document['images']] == ['two.jpg']
    [lost] = problems.of(Outcome.LOST)
    assert 'neither <filename> nor <size>' in lost.what


def test_the_ending_chooses_among_pictures_of_a_name(voc):
    Image.new('RGB', (100, 80)).save(voc / 'JPEGImages/one.png')
    for ending in ('jpg', 'png'):
        content = GOOD.replace('one.jpg', f'one.{ending}')
        document, problems = convert_one(voc, content)
        names = [i['file_name'] for i in document['images']]
        assert names == ['two.jpg', f'one.{ending}'] and not problems


def test_two_annotations_of_one_picture(voc):
    (voc / 'JPEGImages/one.jpg').unlink()
    document, problems = convert_one(voc, GOOD.replace('one.', 'two.'))
    assert [i['file_name'] for i in document['images']] == ['two.jpg']
    [lost] = problems.of(Outcome.LOST)
    assert (lost.what, lost.examples) == (
        'another annotation of the same picture: left out',
        ['one.xml of two.jpg'],
    )


@pytest.mark.parametrize(
    ('make', 'what'),
    [(os.mkfifo, 'no picture for it'),
     (Path.touch, 'its picture cannot be read')],
)  # fmt: skip
def test_what_is_no_picture_is_left_out(voc, make, what):
    (voc / 'JPEGImages/one.jpg').unlink()
    make(voc / 'JPEGImages/one.jpg')
    _, problems = convert_one(voc, GOOD)
    assert what in str(problems)


def test_missing_files(voc):
    with pytest.raises(FileNotFoundError, match=r"there are \['all', 'train'"):
        voc2coco.convert(voc, 'val', None)
    (voc / 'JPEGImages/one.jpg').unlink()
    with pytest.raises(ValueError, match='no object(.|\n)*no picture for it'):
        voc2coco.convert(voc, 'train', None)
    with pytest.raises(FileNotFoundError, match='Annotations is missing'):
        voc2coco.convert(voc / 'JPEGImages')


@pytest.mark.parametrize(
    ('classes', 'message'),
    [
        (['dog'], "'dog' is in no annotation .* are .'ant', 'bee', 'cat'"),
        (['cat', 'BEE'], r"'BEE' is in no .*; did you mean bee\?"),
        (['cat', 'cat'], "'cat' comes twice"),
    ],
)
def test_typos_in_classes_are_refused(voc, classes, message):
    with pytest.raises(ValueError, match=message):
        voc2coco.convert(voc, 'train', classes)


def test_capitals_are_noted(voc):
    (voc / 'Annotations/two.xml').write_text(GOOD.replace('cat', 'Cat'))
    _, problems = convert_one(voc, GOOD)
    assert "'Cat' / 'cat'" in str(problems)


@pytest.mark.parametrize('other', ['e\u0301le', '\u00c9LE', '\u00e9le\u200b'])
def test_classes_that_look_alike_are_noted(voc, other):
    """Apart for the eye or not, each is a class, and one has few objects."""
    objects = object_xml('\u00e9le', (1, 1, 9, 9)), object_xml(other, (9,) * 4)
    document, problems = convert_one(voc, one(*objects))
    assert len(document['categories']) == 3
    (note,) = problems.of(Outcome.NOTE)
    assert note.count == 1 and ascii(other) in str(note)


def test_blanks_and_lines_within_a_class_are_one_blank(voc):
    content = GOOD.replace('>cat<', '> big\n\tcat <')
    document, _ = convert_one(voc, content)
    assert document['categories'][1]['name'] == 'big cat'


@pytest.mark.parametrize(
    ('text', 'is_crowd', 'repaired'),
    [
        ('1', 1, 0), ('1.0', 1, 0), ('Yes', 1, 0), ('True', 1, 0),
        ('0', 0, 0), ('', 0, 0), ('Unspecified', 0, 0),
        ('2', 0, 1), ('hard', 0, 1),
    ],
)  # fmt: skip
def test_what_difficult_may_say(voc, text, is_crowd, repaired):
    content = one(object_xml('a', (1, 1, 9, 9), text))
    document, problems = convert_one(voc, content)
    found = [a['iscrowd'] for a in document['annotations']]
    assert found == [0, is_crowd]  # two.jpg comes first
    assert problems.count(Outcome.REPAIRED) == repaired


def test_a_picture_in_two_splits_is_taken_once(voc):
    problems = Problems()
    parts = [f'{voc.name}/train', f'{voc.name}/all']
    document = voc2coco.convert(voc.parent, parts=parts, problems=problems)
    names = [image['file_name'] for image in document['images']]
    folder = f'{voc.name}/JPEGImages'
    assert names == [f'{folder}/one.jpg', f'{folder}/two.jpg']
    assert 'in more than one of the splits: taken once' in str(problems)


def test_labels_are_read_from_voc(voc):
    labels = read_labels(voc)
    assert labels.classes == ('ant', 'bee', 'cat')
    check_labels(labels, num_classes=3)
    split = read_labels(voc / 'ImageSets/Main/train.txt', classes=('cat',))
    assert split.num_usable == 1
    assert split.images == voc / 'JPEGImages'


def test_pictures_and_annotations_in_one_folder(voc, tmp_path):
    """As LabelImg and Roboflow write them."""
    flat = tmp_path / 'flat'
    flat.mkdir()
    for path in (*voc.glob('JPEGImages/*'), *voc.glob('Annotations/*')):
        path.rename(flat / path.name)
    labels = read_labels(flat)
    assert labels.images == flat and not len(labels.problems)
    assert labels.classes == ('ant', 'bee', 'cat')
    (voc / 'ImageSets').rename(flat / 'ImageSets')
    document = voc2coco.convert(voc, parts=['flat/train'])
    names = [image['file_name'] for image in document['images']]
    assert names == ['flat/one.jpg']


def test_a_folder_may_lack_a_class(voc):
    """Not so if it has another one: then a name may be misspelled."""
    labels = read_labels(voc, classes=('ant', 'bee', 'bat', 'cat'))
    check_labels(labels, num_classes=4)
    assert labels.classes == ('ant', 'bee', 'bat', 'cat')
    names = {c['id']: c['name'] for c in labels.document['categories']}
    things = labels.document['annotations']
    found = sorted(names[thing['category_id']] for thing in things)
    assert found == ['ant', 'bee', 'cat']
    assert 'class without an object' in labels.summary()
    with pytest.raises(ValueError, match="'bat' of the config is not in"):
        check_labels(read_labels(voc, classes=('ant', 'bee', 'bat')))


@pytest.mark.parametrize('name', ['labels', 'classes.txt', 'labels/one.txt'])
def test_yolo_text_files_are_refused(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'labels').mkdir()
    for text in ('classes.txt', 'labels/one.txt'):
        (tmp_path / text).write_text('0 0.5 0.5 0.1 0.1')
    with pytest.raises((OSError, ValueError), match=r'YOLO.*COCO JSON'):
        read_labels(name, tmp_path)


def test_real_data(shared_dir):
    root = shared_dir / 'data' / 'bccd'
    sizes = {}
    for split in ('train', 'val', 'test'):
        document = json.loads(json.dumps(voc2coco.convert(root, split, None)))
        sizes[split] = (len(document['images']), len(document['annotations']))
    assert sum(images for images, _ in sizes.values()) == 364
    folder = root / 'Annotations'
    texts = [path.read_text() for path in folder.glob('*.xml')]
    assert sum(boxes for _, boxes in sizes.values()) == sum(
        text.count('<object>') for text in texts
    )


def test_joins_splits_of_several_data_sets(voc, tmp_path):
    """Ids count on, pictures are named from the common folder."""
    devkit = tmp_path / 'devkit'
    devkit.mkdir()
    for year in ('VOC2007', 'VOC2012'):
        (devkit / year).symlink_to(voc)
    out = tmp_path / 'joined.json'
    parts = ['VOC2007/train', 'VOC2012/all']
    succeed('convert', 'voc', devkit, '--out', out, '--parts', *parts)
    document = json.loads(out.read_text())
    assert [i['file_name'] for i in document['images']] == [
        'VOC2007/JPEGImages/one.jpg',
        'VOC2012/JPEGImages/two.jpg',
        'VOC2012/JPEGImages/one.jpg',
    ]
    assert [i['id'] for i in document['images']] == [1, 2, 3]
    assert [a['id'] for a in document['annotations']] == [1, 2, 3, 4, 5]
    names = [category['name'] for category in document['categories']]
    assert names == ['ant', 'bee', 'cat']


@pytest.mark.parametrize('part', ['VOC2007', '/VOC/train', '../a/train'])
def test_refuses_a_part_without_a_split(voc, part):
    with pytest.raises(ValueError, match=f'VOC2007/trainval, got .{part}'):
        voc2coco.convert(voc, parts=[part])


def test_boxes_of_a_picture_as_it_is_stored_are_left_out(voc):
    exif = Image.Exif()
    exif[0x0112] = 6
    # 100 x 80 when upright, and said to be 80 x 100
    picture = Image.new('RGB', (80, 100))
    picture.save(voc / 'JPEGImages/one.jpg', exif=exif)
    _, problems = convert_one(voc, GOOD)
    assert not problems.count(Outcome.LOST)
    content = GOOD.replace('<width>100<', '<width>80<')
    content = content.replace('<height>80<', '<height>100<')
    document, problems = convert_one(voc, content)
    assert [i['file_name'] for i in document['images']] == ['two.jpg']
    assert 'turned by its EXIF tag' in str(problems)
