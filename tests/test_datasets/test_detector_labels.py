import copy
import json

import coco_documents
import pytest
from mmengine.config import Config
from PIL import Image

from mmsoco.datasets.detector_labels import (
    check_detector_labels,
    describe_labels,
    unchecked_labels,
)
from mmsoco.registry import DATASETS

CLASSES = ('cat', 'dog')


def write_split(folder, split, names=CLASSES, **changes):
    """Write a picture and its labels: an object of each class."""
    (folder / split).mkdir(exist_ok=True)
    Image.new('RGB', (60, 40)).save(folder / split / 'a.png')
    objects = [(number, (1, 2, 30, 20)) for number, _ in enumerate(names, 1)]
    details = dict(segmentation=[[1, 2, 31, 2, 31, 22, 1, 22]]) | changes
    content = coco_documents.document(
        {'a.png': objects}, (40, 60), names, **details
    )
    (folder / f'{split}.json').write_text(json.dumps(content))


@pytest.fixture
def cfg(tmp_path):
    """A config of a detector with two splits, on disk."""
    loaders = {}
    for split in ('train', 'val'):
        write_split(tmp_path, split)
        loaders[split] = dict(
            dataset=dict(
                type='CocoDataset',
                data_root=str(tmp_path),
                ann_file=f'{split}.json',
                data_prefix=dict(img=f'{split}/'),
                metainfo=dict(classes=CLASSES),
                pipeline=[dict(type='LoadAnnotations', with_mask=True)],
            )
        )
    metric = dict(
        type='CocoMetric',
        ann_file=str(tmp_path / 'val.json'),
        metric=['bbox', 'segm'],
    )
    heads = dict(
        bbox_head=[dict(num_classes=2), dict(num_classes=2)],
        mask_head=dict(num_classes=2),
    )
    return Config(
        dict(
            work_dir=str(tmp_path / 'work'),
            model=dict(
                backbone=dict(num_classes=1000),
                rpn_head=dict(num_classes=1),
                roi_head=heads,
            ),
            train_dataloader=loaders['train'],
            val_dataloader=loaders['val'],
            test_dataloader=loaders['val'],
            val_evaluator=metric,
            test_evaluator=metric,
        )
    )


def test_fitting_labels_change_nothing(cfg, tmp_path):
    before = cfg.to_dict()
    found = check_detector_labels(cfg)
    assert cfg.to_dict() == before
    assert list(found) == [
        'train_dataloader.dataset',
        'val_dataloader.dataset',
        'test_dataloader.dataset',
    ]
    text = describe_labels(found)
    # validation and test read the same file, which is described once
    assert text.count('val.json') == 1 and text.count('train.json') == 1
    assert not (tmp_path / 'work').exists()


@pytest.mark.parametrize(
    'option, value, texts',
    [
        (
            'model.roi_head.mask_head.num_classes',
            1,
            ['model.roi_head.mask_head.num_classes is 1.*set it to 2'],
        ),
        (
            'train_dataloader.dataset.metainfo.classes',
            ('Cat', 'dog'),
            ["class 'Cat' of train_dataloader.*did you mean cat", 'same cl'],
        ),
        (
            'val_dataloader.dataset.metainfo.classes',
            ('dog', 'cat'),
            ['same classes in the same order'],
        ),
        (
            'train_dataloader.dataset.metainfo.classes',
            'cat',
            [r"classes is the text 'cat'.*\('cat',\)"],
        ),
        (
            'train_dataloader.dataset.metainfo',
            dict(CLASSES=CLASSES),
            ["key 'CLASSES', which mmdet does not read; write 'classes'"],
        ),
        (
            'train_dataloader.dataset.metainfo',
            None,
            ["class 'person' of CocoDataset .* names no classes", 'airplane'],
        ),
        (
            'val_evaluator.ann_file',
            'other.json',
            ["val_evaluator.ann_file is 'other.json', but val_dataloader"],
        ),
        (
            'train_dataloader.dataset.data_prefix.img',
            'val2/',
            ["val2', the folder"],
        ),
    ],
)
def test_disagreements_are_named(cfg, option, value, texts):
    cfg.merge_from_dict({option: value})
    if option.endswith('metainfo'):
        cfg.train_dataloader.dataset.metainfo = value
    for text in texts:
        with pytest.raises((ValueError, FileNotFoundError), match=text):
            check_detector_labels(cfg)


def test_masks_that_are_not_there(cfg, tmp_path):
    for split in ('train', 'val'):
        write_split(tmp_path, split, segmentation=[])
    with pytest.raises(ValueError) as info:
        check_detector_labels(cfg)
    for key in ('train_dataloader.dataset.pipeline', 'val_evaluator'):
        assert f'{key} needs masks, but 2 of 2 objects' in str(info.value)


def flatten_mask(path, *places):
    with coco_documents.edited(path) as content:
        for place in places:
            content['annotations'][place]['segmentation'] = [[1, 2, 3, 4]]


def test_objects_whose_mask_has_no_area(cfg, tmp_path):
    """Mask detectors leave them out, box detectors do not."""
    for split in ('train', 'val'):
        flatten_mask(tmp_path / f'{split}.json', 1)
    boxes = copy.deepcopy(cfg)
    boxes.train_dataloader.dataset.pipeline = []
    for split in ('val', 'test'):
        boxes[f'{split}_evaluator'].metric = ['bbox']
    for config, left in ((cfg, 1), (boxes, 2)):
        found = check_detector_labels(
            config, repaired_dir=tmp_path / 'repaired'
        )
        told = describe_labels(found)
        assert ('left out, since masks are trained' in told) == (left == 1)
        for split in ('train', 'val'):
            path = config[f'{split}_dataloader'].dataset.ann_file
            content = json.loads(open(path).read())
            assert len(content['annotations']) == left
        again = check_detector_labels(config)
        assert not any(labels.is_changed for labels in again.values())


def test_nothing_but_masks_without_an_area(cfg, tmp_path):
    flatten_mask(tmp_path / 'train.json', 0, 1)
    with pytest.raises(ValueError, match='2 of 2 objects have none(.|\n)*'
                       'mask without an area: dropped'):  # fmt: skip
        check_detector_labels(cfg)


def test_repaired_labels_are_used(cfg, tmp_path):
    write_split(tmp_path, 'train', area=None)
    write_split(tmp_path, 'val', iscrowd=None)
    found = check_detector_labels(cfg)
    path = cfg.train_dataloader.dataset.ann_file
    assert path == str(tmp_path / 'work' / 'labels' / 'train_train.json')
    objects = json.loads(open(path).read())['annotations']
    assert [thing['area'] for thing in objects] == [600, 600]
    for key in ('val', 'test'):
        repaired = cfg[f'{key}_dataloader'].dataset.ann_file
        assert cfg[f'{key}_evaluator'].ann_file == repaired
        assert json.loads(open(repaired).read())['annotations'][0] == (
            json.loads((tmp_path / 'val.json').read_text())['annotations'][0]
            | {'iscrowd': 0}
        )
    assert 'no area: taken from the box' in describe_labels(found)
    # The repaired files themselves are good.
    again = check_detector_labels(cfg)
    assert not any(labels.is_changed for labels in again.values())


def test_wrappers_are_looked_into(cfg):
    inner = cfg.train_dataloader.dataset
    cfg.train_dataloader.dataset = dict(
        type='RepeatDataset',
        times=2,
        dataset=dict(type='ConcatDataset', datasets=[inner, inner]),
    )
    cfg.model.roi_head.bbox_head[1].num_classes = 3
    with pytest.raises(ValueError) as info:
        check_detector_labels(cfg)
    for text in (
        'train_dataloader.dataset.dataset.datasets[1]',
        'model.roi_head.bbox_head[1].num_classes is 3',
    ):
        assert text in str(info.value)


def test_other_datasets_and_disks_are_left_alone(cfg):
    cfg.train_dataloader.dataset = dict(type='ProposalDataset')
    for split in ('val', 'test'):
        cfg[f'{split}_dataloader'].dataset.data_root = 's3://bucket'
        cfg[f'{split}_evaluator'] = dict(type='CocoMetric')
    assert check_detector_labels(cfg) == {}
    lines = unchecked_labels(cfg, ('train', 'val'), {}).splitlines()
    assert len(lines) == 1  # an s3 data set; proposals are no labels
    assert lines[0].startswith('val_dataloader.dataset (CocoDataset): its lab')


def test_labels_of_other_formats_are_not_passed_over_in_silence(cfg):
    """mmdet drops objects of a class that the config does not name."""
    voc = dict(type='VOCDataset', ann_file='train.txt')
    cfg.train_dataloader.dataset = dict(type='RepeatDataset', dataset=voc)
    found = check_detector_labels(cfg, ('train', 'val'))
    assert unchecked_labels(cfg, ('train', 'val'), found) == (
        'train_dataloader.dataset.dataset (VOCDataset): its labels are not '
        'checked; only COCO JSON on a local disk is'
    )


def test_the_files_order_of_classes_is_repaired(cfg, tmp_path):
    """Read by mmdet itself, each object keeps its class."""
    from mmdet.datasets import CocoDataset

    write_split(tmp_path, 'train', names=('dog', 'cat'))
    check_detector_labels(cfg)
    dataset = dict(cfg.train_dataloader.dataset, pipeline=[])
    dataset.pop('type')
    labels = [
        thing['bbox_label']
        for thing in CocoDataset(**dataset).get_data_info(0)['instances']
    ]
    # object 1 is a dog, which the config numbers 1
    assert labels == [1, 0]


@pytest.mark.parametrize(
    ('filter_cfg', 'told'),
    [
        (None, []),
        (dict(filter_empty_gt=True), [('no object', 2)]),
        (dict(min_size=32), [('a side below min_size=32', 1)]),
        (
            dict(filter_empty_gt=True, min_size=32),
            [('a side below', 1), ('no object', 2)],
        ),
    ],
)
def test_pictures_that_mmdet_drops_are_counted(
    cfg, tmp_path, filter_cfg, told
):
    """Of five: one without objects, one with a class that is not used."""
    path = tmp_path / 'train.json'
    content = json.loads(path.read_text())
    [image], thing = content['images'], content['annotations'][0]
    content['categories'].append(dict(id=3, name='cow'))
    for number, category, height in [(2, 1, 30), (3, 3, 40), (4, 2, 40)]:
        content['annotations'].append(
            dict(thing, id=9 + number, image_id=number, category_id=category)
        )
        content['images'].append(
            dict(image, id=number, file_name=f'{number}.png', height=height)
        )
        picture = Image.new('RGB', (60, height))
        picture.save(tmp_path / 'train' / f'{number}.png')
    content['images'].append(dict(image, id=5))
    path.write_text(json.dumps(content))
    dataset = cfg.train_dataloader.dataset
    dataset.filter_cfg = filter_cfg
    found = check_detector_labels(cfg, ('train',))
    [labels] = found.values()
    notes = [p for p in labels.problems if 'not trained on' in p.what]
    assert [n.count for n in notes] == [count for _, count in told]
    for note, (text, _) in zip(notes, told, strict=True):
        assert text in note.what
    kept = DATASETS.build(dict(dataset, pipeline=[]))
    assert len(kept) == 5 - sum(count for _, count in told)
