import json

import pytest

from mmsoco.datasets.converters import voc as voc2coco


def object_xml(name, box, difficult='0'):
    corners = zip(('xmin', 'ymin', 'xmax', 'ymax'), box, strict=True)
    inside = ''.join(f'<{tag}>{value}</{tag}>' for tag, value in corners)
    return (
        f'<object><name>{name}</name><difficult>{difficult}</difficult>'
        f'<bndbox>{inside}</bndbox></object>'
    )


def annotation_xml(file_name, *objects):
    return (
        f'<annotation><filename>{file_name}</filename><size>'
        '<width>100</width><height>80</height><depth>3</depth></size>'
        f'{"".join(objects)}</annotation>'
    )


@pytest.fixture
def voc(tmp_path):
    """Two pictures; the second has another name inside of its annotation."""
    for folder in ('Annotations', 'JPEGImages', 'ImageSets/Main'):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / 'ImageSets/Main/train.txt').write_text('one\n')
    (tmp_path / 'ImageSets/Main/all.txt').write_text('two\none\n\n')
    for name in ('one', 'two'):
        (tmp_path / f'JPEGImages/{name}.jpg').write_bytes(b'')
    (tmp_path / 'Annotations/one.xml').write_text(
        annotation_xml(
            'one.jpg',
            object_xml('cat', (1, 1, 100, 80)),
            object_xml('ant', (11, 21, 20, 40), difficult='1'),
        )
    )
    (tmp_path / 'Annotations/two.xml').write_text(
        annotation_xml('old_name.jpg', object_xml('bee', (5, 6, 5, 6)))
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
    path.write_text(
        annotation_xml('one.jpg', object_xml('cat', (0, 0, 120, 50)))
    )
    (annotation,) = voc2coco.convert(voc, 'train', None)['annotations']
    assert annotation['bbox'] == [0, 0, 100, 50]


def test_result_loads_with_pycocotools(voc):
    from pycocotools.coco import COCO

    out = voc / 'made' / 'all.json'
    voc2coco.main([str(voc), str(out), '--split', 'all'])
    coco = COCO(str(out))
    assert len(coco.getAnnIds()) == 3
    assert [path.name for path in out.parent.iterdir()] == ['all.json']


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('<annotation>', 'one.xml is no XML file'),
        ('<annotation></annotation>', 'one.xml: no <size>'),
        (
            annotation_xml('one.jpg', '<object><name>a</name></object>'),
            'one.xml: an <object> has no <bndbox>',
        ),
        (
            annotation_xml('one.jpg', object_xml('a', ('x', 1, 2, 3))),
            "one.xml: expected a number in <xmin>, got 'x'",
        ),
        (
            annotation_xml('one.jpg', object_xml('a', (9, 1, 2, 3))),
            'one.xml: .* swapped corners',
        ),
        (
            annotation_xml('one.jpg', object_xml('a', (150, 1, 160, 3))),
            'one.xml: .* outside',
        ),
        (
            annotation_xml('one.jpg', object_xml(' ', (1, 1, 2, 3))),
            'one.xml: <object> has no <name>',
        ),
    ],
)
def test_bad_annotations_name_the_file(voc, content, message):
    (voc / 'Annotations/one.xml').write_text(content)
    with pytest.raises(voc2coco.AnnotationError, match=message):
        voc2coco.convert(voc, 'train', None)


def test_missing_files(voc):
    with pytest.raises(FileNotFoundError, match=r"there are \['all', 'train'"):
        voc2coco.convert(voc, 'val', None)
    with pytest.raises(voc2coco.AnnotationError, match="no object of .'dog'"):
        voc2coco.convert(voc, 'train', ['dog'])
    (voc / 'JPEGImages/one.jpg').unlink()
    with pytest.raises(FileNotFoundError, match='no picture for one.xml'):
        voc2coco.convert(voc, 'train', None)


def test_failure_leaves_no_file(voc):
    out = voc / 'out.json'
    with pytest.raises(SystemExit, match='voc2coco: .*nothing.txt'):
        voc2coco.main([str(voc), str(out), '--split', 'nothing'])
    assert not out.exists()


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
    voc2coco.main([str(devkit), str(out), '--parts', *parts])
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


def test_refuses_a_part_without_a_split(voc, tmp_path):
    with pytest.raises(SystemExit, match='VOC2007/trainval, got .VOC2007'):
        voc2coco.main(
            [str(voc), str(tmp_path / 'x.json'), '--parts', 'VOC2007']
        )
