import copy
import gzip
import json
import math
import unicodedata

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as mask_api

from mmsoco.datasets import coco_masks
from mmsoco.datasets.label_checks import check_labels
from mmsoco.datasets.label_reading import read_labels
from mmsoco.images.names import is_image
from mmsoco.utils.problems import Outcome

SIZES = {'a.png': (40, 60), 'b.png': (50, 30), 'c.png': (20, 20)}


def one_object(number, image_id, category_id, bbox):
    return dict(
        id=number,
        image_id=image_id,
        category_id=category_id,
        bbox=bbox,
        area=bbox[2] * bbox[3],
        iscrowd=0,
    )


GOOD = {
    'images': [
        dict(id=7 + i, file_name=name, height=size[0], width=size[1])
        for i, (name, size) in enumerate(SIZES.items())
    ],
    'annotations': [
        one_object(1, 7, 5, [1, 2, 30, 20]),
        one_object(2, 7, 5, [5, 5, 10, 10]),
        one_object(3, 7, 3, [0, 0, 60, 40]),
        one_object(4, 8, 3, [2, 2, 9, 9]),
    ],
    'categories': [dict(id=3, name='cat'), dict(id=5, name='dog')],
}


@pytest.fixture
def read(tmp_path):
    """Write GOOD after a change, and read it."""
    images = tmp_path / 'images'
    images.mkdir()
    for name, (height, width) in SIZES.items():
        Image.new('RGB', (width, height)).save(images / name)

    def change_and_read(
        change=lambda content: None, classes=None, content=GOOD, **kwargs
    ):
        content = copy.deepcopy(content)
        change(content)
        (tmp_path / 'labels.json').write_text(json.dumps(content))
        return read_labels(tmp_path / 'labels.json', images, classes, **kwargs)

    return change_and_read


def image(place, **values):
    return lambda content: content['images'][place].update(values)


def thing(place, **values):
    return lambda content: content['annotations'][place].update(values)


def every_thing(**values):
    return lambda content: [t.update(values) for t in content['annotations']]


def category(place, **values):
    return lambda content: content['categories'][place].update(values)


def remove(section, place, key):
    return lambda content: content[section][place].pop(key)


def repeat(place, number):
    def change(content):
        things = content['annotations']
        things.append(dict(things[place], id=number))

    return change


def kinds(labels, outcome):
    return {p.what: p.count for p in labels.problems.of(outcome)}


def test_good_labels_are_left_alone(read):
    labels = read()
    assert labels.document == GOOD
    assert not labels.is_changed and not len(labels.problems)
    assert labels.classes == ('cat', 'dog')
    assert [tuple(c) for c in labels.counts] == [
        ('cat', 2, 2, 0, 0),
        ('dog', 1, 2, 0, 0),
    ]
    check_labels(labels, ('cat', 'dog'), 2)
    assert not labels.has_masks
    assert '3 images (1 without objects), 4 objects, 2 classes' in (
        labels.summary()
    )


@pytest.mark.parametrize(
    'change, what',
    [
        (remove('annotations', 1, 'area'), 'no area'),
        (thing(1, area=0), 'area is not a positive'),
        (thing(1, area=math.nan), 'area is not a positive'),
        (thing(1, area='100'), 'area is not a positive'),
        (remove('annotations', 1, 'iscrowd'), 'no iscrowd'),
        (thing(1, iscrowd='0'), 'iscrowd is not 0 or 1'),
        (thing(1, bbox=[15, 15, -10, -10]), 'swapped back'),
        (remove('annotations', 1, 'id'), 'id is missing or 0'),
        (thing(1, id=4), 'id comes twice'),
        (thing(0, id=2**70), 'or too large: renumbered'),
        (repeat(1, 2), 'the same object twice: kept once'),
        (repeat(1, 9), 'the same object twice: kept once'),
        (image(0, height=60, width=40), 'are swapped'),
        (image(0, height=0), 'no usable height'),
        (remove('images', 0, 'width'), 'no usable height'),
        (image(0, width=61), 'size differs'),
        (lambda c: c['images'].append(c['images'][0]), 'same image twice'),
        (image(2, id=9.0), 'id has a decimal point'),
        (thing(1, category_id=5.0), 'category_id has a dec'),
        (thing(1, category_id='5'), 'a text: changed to the listed num'),
        (thing(1, image_id='7'), 'a text: changed to the listed num'),
        (image(1, file_name='B.PNG'), 'capitals or Unicode form'),
        (
            # Roboflow's category of the whole project
            lambda c: c['categories'].insert(0, dict(id=0, name='dog')),
            'category without objects, named like another one',
        ),
    ],
)
def test_repaired_labels_equal_the_good_ones(read, change, what):
    """Each fault is put back to what it was, and said."""
    labels = read(change)
    assert labels.document == GOOD
    assert labels.is_changed
    ((found, count),) = kinds(labels, Outcome.REPAIRED).items()
    assert what in found and count == 1
    check_labels(labels, ('cat', 'dog'), 2)
    assert what in labels.summary()


def test_box_is_clipped_to_its_picture(read):
    labels = read(thing(3, bbox=[-4, 30, 20, 40]))
    repaired = labels.document['annotations'][3]
    # the picture is 30 wide and 50 high
    assert repaired['bbox'] == [0, 30, 16, 20] and repaired['area'] == 320
    assert kinds(labels, Outcome.REPAIRED) == {
        'box leaves its picture: clipped': 1
    }


def test_rounding_is_not_worth_a_new_file(read):
    box = [0, 0, 60.4, 40.9]
    labels = read(thing(2, bbox=box))
    assert labels.document['annotations'][2]['bbox'] == box
    assert not labels.is_changed


def test_what_is_left_out_is_counted(read):
    def change(content):
        content['annotations'][0]['bbox'] = [70, 0, 5, 5]
        content['annotations'][1]['image_id'] = 99
        content['annotations'][2]['iscrowd'] = 1
        content['annotations'][3]['bbox'] = [2, 2, 9, 0.4]

    labels = read(change)
    assert kinds(labels, Outcome.LOST) == {
        'box lies outside of its picture': 1,
        'object of an image that is not listed': 1,
    }
    assert [tuple(c) for c in labels.counts] == [
        ('cat', 0, 2, 1, 1),
        ('dog', 0, 0, 0, 0),
    ]
    with pytest.raises(ValueError, match='no object to learn from in 3'):
        check_labels(labels)


CUT = '.*, where its last part is: cut what is before it'


@pytest.mark.parametrize(
    'change, text',
    [
        (thing(0, bbox=[1, 2, math.nan, 3]), 'other than n'),
        (thing(0, bbox=[1, 2, math.inf, 3]), 'other than n'),
        (thing(0, bbox=[1, 2, '3', 3]), 'other than numbers'),
        (thing(0, bbox=[1, 2, None, 3]), 'other than numbers'),
        # a number that no float holds
        (thing(0, bbox=[5, 5, 10**400, 3]), 'other than numbers'),
        (thing(0, bbox=[1, 2, 3]), 'not .x, y, w, h'),
        (thing(0, bbox={'x': 1}), 'not .x, y, w, h'),
        (remove('annotations', 0, 'bbox'), 'object has no bbox'),
        (thing(0, category_id=4), 'category that is not'),
        (thing(0, category_id=[3]), 'category that is not'),
        (image(1, id=7), 'image id is used more than once'),
        (category(1, id=3), 'category id is used more than once'),
        (category(1, name='cat'), 'name is there 2 times .cat'),
        (image(1, file_name='d.png'), 'not in .*d.png'),
        # longer than a disk takes
        (image(0, file_name='x' * 5000 + '.png'), 'picture is not in'),
        (image(1, file_name='../images/b.png'), 'not relative'),
        # from Label Studio, and from Windows
        (image(1, file_name='/data/upload/1/b.png'), f'not relative to {CUT}'),
        (image(1, file_name='C:\\images\\b.png'), f'not relative to {CUT}'),
        (thing(0, segmentation=[[1, 2, 3, 4, 5, 'x']]), 'not polygons'),
        (
            thing(0, segmentation={'size': [9, 9], 'counts': ''}),
            'mask is of another size',
        ),
        (image(2, id=[9]), 'image id is not a whole number'),
        (image(2, id=True), 'image id is not a whole number'),
        (image(2, id=9.5), 'image id is not a whole number'),
        (category(0, id=math.nan), 'category id is not a whole'),
        (category(0, id=[3]), 'category id is not a whole'),
        (category(0, name=' '), 'category name is not text'),
        (image(1, file_name=''), 'image file_name is not text'),
        (image(1, file_name='http://x.org/b.png'), f'not in {CUT}'),
        (lambda c: c.update(annotations=[]), 'no object to learn from'),
        (
            # CVAT's masks
            every_thing(iscrowd=1),
            'no object to learn from in 3 images: all 4 objects have iscrowd',
        ),
        (lambda c: c.update(images=[], annotations=[]), 'no images'),
        (
            every_thing(bbox=[20, 19, 40, 39], image_id=7),
            'x1, y1, x2, y2 rather than',
        ),
        (every_thing(bbox=[0.2, 0.2, 0.5, 0.5]), 'shares of the picture'),
    ],
)
def test_what_cannot_be_repaired_stops(read, change, text):
    with pytest.raises(ValueError, match=text) as info:
        check_labels(read(change))
    assert 'labels.json' in str(info.value)


def test_all_problems_come_at_once(read):
    def change(content):
        content['annotations'][0]['bbox'] = [1, 2, math.nan, 3]
        content['annotations'][1]['category_id'] = 77
        del content['annotations'][3]['area']
        content['images'][2]['file_name'] = 'gone.png'

    with pytest.raises(ValueError) as info:
        check_labels(read(change, ('Cat', 'dog')), num_classes=1)
    for text in (
        'bbox holds something other than numbers (object 1 of a.png)',
        'category that is not listed (object 2 of a.png, category 77)',
        'gone.png',
        "class 'Cat' of the config is not in the file; did you mean cat?",
        'num_classes is 1, but there are 2 classes: set it to 2',
        'no area: taken from the box',
    ):
        assert text in str(info.value)


@pytest.mark.parametrize(
    'name, meant',
    [('CAT', 'cat'), (' cat', 'cat'), ('cta', 'cat'), ('do-g', 'dog')],
)
def test_misspelt_class_is_suggested(read, name, meant):
    with pytest.raises(ValueError, match=f'did you mean {meant}\\?'):
        check_labels(read(classes=(name,)), num_classes=1)


def test_order_of_the_config_counts(read):
    """mmdet numbers the classes in the file's order."""
    labels = read(classes=('dog', 'cat'))
    assert labels.classes == ('dog', 'cat')
    names = [c['name'] for c in labels.document['categories']]
    assert names == ['dog', 'cat']
    assert labels.is_changed
    assert 'another order' in labels.summary()
    check_labels(labels, num_classes=2)


def test_a_part_of_the_classes_is_enough(read):
    labels = read(classes=('dog',))
    check_labels(labels, num_classes=1)
    assert labels.num_usable == 2
    lines = labels.summary().splitlines()
    assert any('(not used)' in line and 'cat' in line for line in lines)


@pytest.mark.parametrize(
    'content, text',
    [
        ({}, "'images' is missing.*'annotations' is.*'categories' is"),
        ([], 'holds a list'),
        ({**GOOD, 'categories': None}, "'categories' is missing or not"),
        ({**GOOD, 'images': [3]}, 'other than objects'),
        (
            {**GOOD, 'images': [{'id': 1}, {'id': 2}]},
            "2 of 'images' have no 'file_name'",
        ),
        ({**GOOD, 'annotations': [{'bbox': 1}]}, "1 of .* no 'category_id'"),
        ({'shapes': [], 'imagePath': 'a.png'}, 'looks like a file of Labelme'),
        ([{'id': 1, 'data': {}, 'annotations': []}], 'tasks of Label Studio'),
        ({'a.png9': {'filename': 'a.png', 'regions': []}}, 'a file of VIA'),
        ([{'image': 'a.png', 'annotations': []}], 'a file of CreateML'),
        ([{'image_id': 7, 'bbox': [], 'score': 1}], 'looks like detections'),
    ],
)
def test_other_layouts_are_refused(read, content, text):
    with pytest.raises(ValueError, match=f'labels.json.*{text}'):
        read(content=content)


@pytest.mark.parametrize('encoding', ['utf-8-sig', 'utf-16', 'utf-32'])
def test_a_byte_order_mark_is_repaired(tmp_path, read, encoding):
    """mmdet's own reader takes UTF-8 without a mark alone."""
    path = tmp_path / 'marked.json'
    read()
    path.write_text(json.dumps(GOOD), encoding=encoding)
    labels = read_labels(path, tmp_path / 'images')
    assert labels.is_changed
    assert 'byte order mark' in labels.summary()
    labels.write(path)
    assert json.loads(path.read_bytes().decode('utf-8')) == GOOD


@pytest.mark.parametrize(
    ('data', 'text'),
    [
        (b'', 'is not JSON'),
        (b'{', 'is not JSON'),
        (b'\xff\xfe{}', 'is not JSON'),
        (b'[' * 10**5, 'is not JSON'),
        (gzip.compress(b'{}', mtime=0), 'compressed; unpack it with gunzip'),
        (b'{"id": 1}\n{"id": 2}\n', 'JSON Lines.*one COCO document'),
        (b'\n \n', 'it is empty'),
        (b'{"x": "\xe4"}', 'not UTF-8.*save it as UTF-8'),
        (b'{"images": [1], "images": []}', "key 'images' .*more than once"),
    ],
)
def test_what_else_a_file_may_be(tmp_path, data, text):
    (tmp_path / 'labels.json').write_bytes(data)
    with pytest.raises(ValueError, match=f'labels.json.*{text}'):
        read_labels(tmp_path / 'labels.json', tmp_path)


def test_missing_file_and_folder(tmp_path, read):
    with pytest.raises(FileNotFoundError, match='no.json'):
        read_labels(tmp_path / 'no.json', tmp_path)
    path = read().path
    with pytest.raises(FileNotFoundError, match="'.*nowhere', the folder"):
        read_labels(path, tmp_path / 'nowhere')
    with pytest.raises(ValueError, match='name the folder'):
        read_labels(path)


def test_test_sets_may_keep_their_labels_back(read):
    labels = read(lambda c: c.pop('annotations'), unlabelled=True)
    assert labels.num_usable == 0


def test_masks_are_there_or_not(read):
    polygon = [[1, 2, 31, 2, 31, 22]]

    def all_but_one(content):
        every_thing(segmentation=polygon)(content)
        del content['annotations'][3]['segmentation']

    assert read(every_thing(segmentation=polygon)).has_masks
    assert not read(all_but_one).has_masks
    assert 'masks of 3 objects only' in read(all_but_one).summary()


def test_box_comes_from_the_polygon(read):
    def change(content):
        content['annotations'][0].pop('bbox')
        content['annotations'][0]['segmentation'] = [[1, 2, 31, 2, 31, 22]]

    repaired = read(change).document['annotations'][0]
    assert repaired['bbox'] == [1, 2, 30, 20]


def test_unreadable_picture_is_named(read, tmp_path):
    (tmp_path / 'images' / 'b.png').write_bytes(b'')
    with pytest.raises(ValueError, match='read .b.png: the file is empty'):
        check_labels(read())


def test_written_labels_read_back_clean(read, tmp_path):
    labels = read(remove('annotations', 1, 'area'))
    labels.write(tmp_path / 'repaired.json')
    again = read_labels(tmp_path / 'repaired.json', tmp_path / 'images')
    assert not again.is_changed and again.document == GOOD


@pytest.mark.parametrize(
    ('listed', 'there'),
    [('d\\c.png', 'd/c.png')]
    + [(name, name) for name in (
        'o\\dd #1%20.png', 'new\nline.png', 'quo"te\'s.png', '-x.png'
    )],
)  # fmt: skip
def test_odd_names_are_those_of_the_files(read, tmp_path, listed, there):
    """Backslashes are repaired where there is no such file."""
    images = tmp_path / 'images'
    (images / 'd').mkdir()
    (images / 'c.png').rename(images / there)
    labels = read(image(2, file_name=listed))
    assert labels.document['images'][2]['file_name'] == there
    check_labels(labels)
    assert labels.is_changed == (listed != there)


def test_names_as_in_an_address_are_decoded(read, tmp_path):
    """As Label Studio writes them; a name that is there stays."""
    images = tmp_path / 'images'
    (images / 'a.png').rename(images / 'ä 1.png')
    (images / 'b.png').rename(images / '100%25.png')

    def change(content):
        content['images'][0]['file_name'] = '%C3%A4%201.png'
        content['images'][1]['file_name'] = '100%25.png'

    labels = read(change)
    names = [image['file_name'] for image in labels.document['images']]
    assert names == ['ä 1.png', '100%25.png', 'c.png']
    (count,) = kinds(labels, Outcome.REPAIRED).values()
    assert count == 1


@pytest.mark.parametrize('of_file', ['NFC', 'NFD'])
def test_accents_of_another_system(read, tmp_path, of_file):
    composed, split = (
        unicodedata.normalize(form, 'é/Ä b.png') for form in ('NFC', 'NFD')
    )
    there, listed = composed, split
    if of_file == 'NFD':
        there, listed = split, composed
    images = tmp_path / 'images'
    (images / there).parent.mkdir()
    (images / 'c.png').rename(images / there)
    labels = read(image(2, file_name=listed))
    assert labels.document['images'][2]['file_name'] == there
    check_labels(labels)
    # Where both could be meant, neither is.
    twin = unicodedata.normalize('NFC', there).replace('b', 'B')
    (images / there).parent.joinpath(twin.split('/')[1]).touch()
    labels = read(image(2, file_name=twin.upper()))
    assert labels.problems.count(Outcome.STOP) == 1


def test_classes_that_look_alike(read):
    composed, split = (
        unicodedata.normalize(form, 'é') for form in ('NFC', 'NFD')
    )
    with pytest.raises(ValueError, match=r"'e\\u0301' instead of '\\xe9'"):
        check_labels(read(category(0, name=split), (composed,)))


def turn(path):
    """Store a picture on its side, with the tag that turns it upright."""
    with Image.open(path) as picture:
        stored = picture.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    stored.save(path, exif=exif)


def test_labels_of_a_picture_as_it_is_stored_stop(read, tmp_path):
    """Detectors turn the picture, and the boxes would lie elsewhere."""
    turn(tmp_path / 'images' / 'a.png')
    assert not read().problems
    stored = image(0, height=60, width=40)
    with pytest.raises(ValueError, match='turned by its EXIF tag.*a.png'):
        check_labels(read(stored))


@pytest.mark.skipif(not is_image('a.avif'), reason='Pillow without AVIF')
def test_a_turned_avif_picture_stops(read, tmp_path):
    """OpenCV, which detectors read with, does not turn it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(tmp_path / 'images' / 'c.png') as picture:
        picture.save(tmp_path / 'images' / 'c.avif', exif=exif)
    with pytest.raises(ValueError, match='AVIF picture is turned.*c.avif'):
        check_labels(read(image(2, file_name='c.avif')))


def test_pictures_that_are_elsewhere_are_left_out(read):
    gone = GOOD['images'][0]
    change = image(0, file_name='elsewhere.png')
    labels = read(change, partial=True)
    assert labels.document['images'] == GOOD['images'][1:]
    assert labels.document['annotations'] == [
        a for a in GOOD['annotations'] if a['image_id'] != gone['id']
    ]
    assert labels.is_changed
    assert not labels.problems.of(Outcome.STOP)
    assert [p.count for p in labels.problems.of(Outcome.LOST)] == [1]
    # ... but only where that is asked for
    assert read(change).problems.count(Outcome.STOP) == 1


def test_pictures_that_are_all_elsewhere(read):
    def change(content):
        for image in content['images']:
            image['file_name'] = f'images/{image["file_name"]}'

    with pytest.raises(FileNotFoundError, match='none of the') as info:
        read(change, partial=True)
    assert 'images/images/' in str(info.value)


def polygons(place, *found):
    """Give an object polygons, and the others good ones."""

    def change(content):
        every_thing(segmentation=[[1, 2, 9, 2, 9, 9]])(content)
        content['annotations'][place]['segmentation'] = list(found)

    return change


FLAT = [
    [[1, 2, 3, 4]],
    [[1, 2], [3, 4]],
    [[5, 5, 9, 9, 7, 7]],  # on a line
    [[5, 5, 5, 5, 5, 5, 5, 5]],
    [[100, 100, 200, 100, 200, 200]],  # outside of the picture
]


@pytest.mark.parametrize('mask', FLAT)
def test_masks_without_an_area_are_dropped(read, mask):
    """A box detector keeps the object, a mask detector leaves it out."""
    labels = read(polygons(1, *mask))
    first, second, *_ = labels.document['annotations']
    assert (second['segmentation'], second['bbox']) == ([], [5, 5, 10, 10])
    assert first['segmentation'] == [[1, 2, 9, 2, 9, 9]]
    assert kinds(labels, Outcome.REPAIRED) == {
        'mask without an area: dropped, the box kept': 1
    }
    assert (labels.num_usable, labels.num_masks) == (4, 3)
    assert labels.has_masks and labels.is_changed
    of_masks = labels.of_masks()
    assert (of_masks.num_usable, of_masks.num_masks) == (3, 3)
    assert [a['id'] for a in of_masks.document['annotations']] == [1, 3, 4]
    [lost] = of_masks.problems.of(Outcome.LOST)
    assert (lost.count, lost.examples) == (1, ['object 2'])
    assert len(labels.document['annotations']) == 4  # the box detector's


@pytest.mark.parametrize(
    'mask', [[1, 2, 9, 2, 9, 9], [[1, 2], [9, 2], [9, 9]]]
)
def test_masks_that_are_not_in_a_list(read, mask):
    labels = read(polygons(1, *mask))
    assert labels.document['annotations'][1]['segmentation'] == [
        [1, 2, 9, 2, 9, 9]
    ]
    assert 'one polygon' in str(labels.problems)
    assert labels.has_masks


def test_one_of_several_polygons_without_an_area(read):
    labels = read(polygons(0, [1, 2, 3, 4], [1, 2, 9, 2, 9, 9]))
    assert labels.document['annotations'][0]['segmentation'] == [
        [1, 2, 9, 2, 9, 9]
    ]
    assert labels.has_masks and labels.of_masks() is labels


def test_nothing_but_masks_without_an_area(read):
    labels = read(every_thing(segmentation=[[1, 2, 3, 4]]))
    assert not labels.has_masks and labels.num_usable == 4


@pytest.mark.parametrize(
    ('counts', 'what'),
    [
        ([2400], 'mask without an area'),
        ([2300, 100], None),
        ([0, 2400], None),
        ([2300, 101], 'do not add up'),
        ([10], 'do not add up'),
        ([2500, -100], 'not run lengths'),
        ('\x00', 'not run lengths'),
        (7, 'not run lengths'),
    ],
)
def test_masks_of_run_lengths(read, counts, what):
    """Picture a.png has 2400 pixels; pycocotools writes COCO's text."""
    mask = dict(size=[40, 60], counts=counts)
    texts = [mask]
    if what in (None, 'mask without an area'):
        packed = mask_api.frPyObjects(mask, 40, 60)
        texts.append(dict(packed, counts=packed['counts'].decode()))
    for mask in texts:
        labels = read(thing(0, segmentation=mask))
        found = [p.what for p in labels.problems]
        assert [what in text for text in found] == [True] * bool(what)


def test_run_lengths_are_read_as_pycocotools_does():
    rng = np.random.default_rng(0)
    for _ in range(50):
        pixels = rng.random((17, 23)) < rng.random()
        packed = mask_api.encode(np.asfortranarray(pixels, dtype=np.uint8))
        runs = coco_masks.read_runs(packed['counts'].decode())
        values = np.arange(len(runs)) % 2
        unpacked = np.repeat(values, runs).reshape(pixels.T.shape).T
        assert (unpacked == pixels).all()


@pytest.mark.parametrize(('ignore', 'usable'), [('false', 4), ('True', 3)])
def test_ignore_is_a_text(read, ignore, usable):
    labels = read(thing(0, ignore=ignore))
    assert labels.num_usable == usable
    assert 'ignore is not 0 or 1' in kinds(labels, Outcome.REPAIRED)


def test_categories_that_differ_by_blanks(read):
    labels = read(category(0, name=' Dog '))
    [note] = labels.problems.of(Outcome.NOTE)
    assert 'capitals or blanks' in note.what and "' Dog '" in note.examples[0]
