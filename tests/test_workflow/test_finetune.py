"""The steps of a fine-tuning; training and evaluation are stand-ins."""

import hashlib
import io
import json
import shutil
from pathlib import Path

import coco_documents
import numpy as np
import pytest
import torch
from command import state_of
from PIL import Image
from voc_documents import annotation_xml, object_xml

import mmsoco
from mmsoco.workflow import child, finetune, finetuned_run, run_report
from mmsoco.workflow.console import Console
from mmsoco.workflow.finetune_settings import FinetuneSettings
from mmsoco.workflow.pretrain_config import (
    build_config,
    load_detector,
    load_recipe,
    write_config,
)
from mmsoco.workflow.run_folder import RunFolder


def write_labels(path, images, number, masks=False, **changes):
    images.mkdir(exist_ok=True)
    pictures = {}
    for i in range(number):
        pixels = np.full((60, 80, 3), 9 * i, np.uint8)
        Image.fromarray(pixels).save(images / f'{i}.png')
        pictures[f'{i}.png'] = [(1 + (i == 0), (5, 5, 30, 20))]
    details = dict(segmentation=[[5, 5, 35, 5, 35, 25]]) if masks else {}
    document = coco_documents.document(
        pictures, (60, 80), ['cat', 'dog'], **details
    )
    path.write_text(json.dumps(document | changes))


@pytest.fixture(scope='module')
def pretrained(tmp_path_factory):
    """What a pretraining leaves behind, without its weights."""
    path = tmp_path_factory.mktemp('pretrained') / 'out'
    folder = RunFolder(path, 'pretraining')
    folder.begin(dict(folder='/pictures', pictures=20, sha256='0'), {})
    folder.note('export', 1.0)
    folder.save(
        plan=dict(threads=1, epochs=5, steps_per_epoch=125),
        exported=dict(backbone=100, bbox_head=22, neck=40),
    )
    (path / 'detector.pth').write_bytes(b'weights')
    cfg = build_config(
        load_recipe(False), load_detector(None, False), path / 'a',
        path / 'p.arrow', path / 'checkpoints', {},
    )  # fmt: skip
    write_config(cfg, path / 'pretrain.py', 'x')
    return path


@pytest.fixture
def data(tmp_path):
    write_labels(tmp_path / 'train.json', tmp_path / 'train', 12)
    write_labels(tmp_path / 'val.json', tmp_path / 'val', 3)
    return tmp_path


@pytest.fixture
def calls(monkeypatch):
    """Leave behind what a training and an evaluation would."""
    made = []

    def run(command, log, threads=None, on_poll=None, what=''):
        made.append(command)
        work_dir = command[command.index('--work-dir') + 1]
        start = finetune.Path(work_dir, '20260101_000000')
        (start / 'vis_data').mkdir(parents=True)
        if 'train' in command:
            weights = dict(state_dict={'backbone.a': torch.ones(2)}, meta={})
            for epoch in (1, 2):
                torch.save(weights, start.parent / f'epoch_{epoch}.pth')
            entry = dict(step=6, epoch=2, loss=1.0, loss_cls=0.5, time=1.0)
            path = start / 'vis_data' / 'scalars.json'
            path.write_text(json.dumps(entry) + '\n')
            on_poll()
        else:
            keys = ('mAP', 'mAP_50', 'mAP_75', 'mAP_s', 'mAP_m', 'mAP_l')
            metrics = {f'coco/bbox_{key}': 0.25 for key in keys}
            metrics['coco/cat_precision'] = 0.5
            (start / 'm.json').write_text(json.dumps(metrics))
            (start / 'z.json').write_text('[{"source": "a report"}]')
            found = [dict(image_id=1, category_id=1, bbox=[5, 5, 30, 20],
                          score=0.9)]  # fmt: skip
            path = start.parent.parent / 'detections.bbox.json'
            path.write_text(json.dumps(found))

    monkeypatch.setattr(finetune, 'run_child', run)
    monkeypatch.setattr(run_report, 'write_run_report', made.append)
    assert child.run_child is not run
    return made


def run(pretrained, data, **options):
    stream = io.StringIO()
    defaults = dict(
        train_images=data / 'train', val_images=data / 'val',
        out=data / 'fine', epochs=2, console=Console(3, stream),
    )  # fmt: skip
    options = {**defaults, **options}
    found = mmsoco.finetune(
        pretrained, data / 'train.json', data / 'val.json', **options
    )
    return found, stream.getvalue()


def test_pictures_that_are_trained_and_judged_on(pretrained, data, calls):
    """Of the 12 pictures 3 are judged on again, under another folder name.

    There are 12 more without objects, which mmdet drops.
    """
    with coco_documents.edited(data / 'train.json') as content:
        content['images'] += [
            dict(image, id=90 + image['id']) for image in content['images']
        ]
    (data / 'same').symlink_to(data / 'train')
    (data / 'val').rename(data / 'unused')
    _, text = run(
        pretrained, data, epochs=1, batch_size=12, val_images=data / 'same'
    )
    assert '3 of the validation pictures are also training pictures' in text
    assert '12  picture not trained on: no object' in text
    assert '1 epoch, 1 step\n' in text


def test_three_steps(pretrained, data, calls):
    found, text = run(pretrained, data)
    assert '12 pictures, 12 boxes of 2 classes (cat 11, dog 1)' in text
    assert 'fewer than 10 training boxes: dog' in text
    assert 'box AP 25.0 (AP50 25.0)' in text
    assert 'cat: AP 50.0, 11 boxes' in text
    # 12 pictures in batches of 4, twice
    assert '2 epochs, 6 steps' in text
    assert (
        'are also training pictures' not in text
    )  # 0.jpg and so on of two folders
    assert found.metrics['bbox_mAP'] == 0.25
    assert found.checkpoint.is_file()
    content = torch.load(found.detector, weights_only=True)
    assert content['state_dict']['backbone.a'].tolist() == [1, 1]
    assert f'next: mmsoco detect {found.out} PICTURES' in text
    page = found.report.read_text()
    assert '<td>cat</td><td>11</td><td>50.0</td>' in page
    assert page.count('<img src="data:image/') == 2


def test_the_config_says_what_the_files_say(pretrained, data, calls):
    from mmengine.config import Config

    found, _ = run(pretrained, data)
    cfg = Config.fromfile(found.config)
    assert cfg.model.type == 'FasterRCNN'
    assert cfg.model.roi_head.bbox_head.num_classes == 2
    dataset = cfg.train_dataloader.dataset
    assert tuple(dataset.metainfo.classes) == ('cat', 'dog')
    assert dataset.pipeline[2].scale == (80, 60)
    assert cfg.load_from == str(pretrained / 'detector.pth')


@pytest.mark.parametrize(
    ('options', 'parts', 'said'),
    [
        ({}, ['backbone', 'neck'], 'from backbone, neck of detector.pth'),
        (dict(parts=['all']), None, 'from detector.pth'),
        (dict(parts=['neck']), ['neck'], 'from neck of detector.pth'),
        (dict(scratch=True), None, 'from scratch'),
    ],
)
def test_parts_of_the_weights(pretrained, data, calls, options, parts, said):
    from mmengine.config import Config

    found, text = run(pretrained, data, **options)
    cfg = Config.fromfile(found.config)
    assert cfg.default_hooks.load_report.get('parts') == parts
    assert f'finetune    {said}, pictures' in text
    page = ' '.join(found.report.read_text().split())
    assert f'2 epochs (6 steps), {said}; evaluated on 3 pictures' in page


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(parts=['nek']), '--parts nek: expected all or some of backbone'),
        (dict(parts=['neck'], scratch=True), '--scratch loads none'),
    ],
)
def test_parts_that_cannot_be_are_refused(
    pretrained, data, calls, options, message
):
    with pytest.raises(ValueError, match=message):
        run(pretrained, data, **options)
    assert calls == []


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(seed=2), '--seed was not given, now 2'),
        (dict(cfg_options={'model.tipe': 1}), '--cfg-options model.tipe was'),
        (dict(labels=99), '--labels'),
        (dict(parts=['nek']), '--parts nek'),
        (dict(scratch=True), 'other labels or weights: weights .*now none'),
    ],
)
def test_a_refused_call_leaves_a_run_as_it_is(
    pretrained, data, calls, options, message
):
    out = data / 'out'
    run(pretrained, data, out=out)
    before = state_of(out)
    with pytest.raises((FileExistsError, ValueError), match=message):
        run(pretrained, data, out=out, **options)
    assert state_of(out) == before


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(labels=99), '--labels 99'),
        (
            dict(cfg_options={'model.backbone.depth.a': 1}),
            'model.backbone.depth',
        ),
    ],
)
def test_a_refused_call_makes_no_run(
    pretrained, data, calls, options, message
):
    with pytest.raises((LookupError, ValueError), match=message):
        run(pretrained, data, out=data / 'out', **options)
    assert not (data / 'out').exists()


def test_other_pictures_under_the_same_names_are_another_run(
    pretrained, data, calls
):
    run(pretrained, data)
    run(pretrained, data)
    assert len(calls) == 3  # a training, an evaluation, a report: once
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    Image.fromarray(noise).save(data / 'val' / '0.png')
    with pytest.raises(FileExistsError, match=r'pictures of \d+ bytes .*now'):
        run(pretrained, data)


def test_other_annotations_of_the_same_voc_data_set_are_other_labels(tmp_path):
    write_labels(tmp_path / 'unused.json', tmp_path / 'JPEGImages', 1)
    (tmp_path / 'Annotations').mkdir()
    path = tmp_path / 'Annotations' / '0.xml'
    names = []
    for name in ('cat', 'cat', 'dog'):
        thing = object_xml(name, (1, 5, 40, 50))
        path.write_text(annotation_xml('0.png', thing, size=(60, 80)))
        names.append(finetune._named(finetune.read_labels(tmp_path)))
    assert names[0] == names[1] != names[2]


def cut(path):
    path.write_bytes(path.read_bytes()[:3])


@pytest.mark.parametrize(
    ('name', 'damage', 'error', 'message'),
    [
        ('detector.pth', cut, ValueError, 'not the file that .* exported'),
        ('detector.pth', Path.unlink, FileNotFoundError, 'again .* to export'),
        ('pretrain.py', Path.unlink, FileNotFoundError, 'config of the pretr'),
        ('pretrain.py', cut, ValueError, 'pretrain.py is not Python'),
        (
            'pretrain.py',
            lambda path: path.write_text('model = dict(type="X")'),
            ValueError,
            'pretrain.py has no model.detector',
        ),
    ],
)
def test_a_pretraining_whose_files_were_replaced(
    pretrained, data, calls, name, damage, error, message
):
    copy = data / 'copy'
    shutil.copytree(pretrained, copy)
    weights = copy / 'detector.pth'
    RunFolder(copy, 'pretraining').save(
        detector_sha256=hashlib.sha256(weights.read_bytes()).hexdigest()
    )
    run(copy, data)
    damage(copy / name)
    with pytest.raises(error, match=message):
        run(copy, data)


def test_masks_are_trained_where_there_are_any(pretrained, data, calls):
    from mmengine.config import Config

    for name, number in (('train', 12), ('val', 3)):
        write_labels(data / f'{name}.json', data / name, number, masks=True)
    with pytest.raises(KeyError, match='segm'):  # the stand-in judges none
        run(pretrained, data)
    cfg = Config.fromfile(data / 'fine' / 'finetune.py')
    assert cfg.model.type == 'MaskRCNN'
    assert set(cfg.test_evaluator.metric) == {'bbox', 'segm'}


def test_called_again_nothing_is_made_anew(pretrained, data, calls):
    run(pretrained, data)
    calls.clear()
    _, text = run(pretrained, data)
    assert calls == []
    assert 'done before' in text and 'box AP 25.0' in text


@pytest.mark.parametrize(
    ('wrong', 'message'),
    [
        (dict(labels=5000), '5000: the file has 12 pictures'),
        (dict(cfg_options={'pairs': 1}), 'unknown key pairs'),
    ],
)
def test_a_wrong_option_can_be_corrected(
    pretrained, data, calls, wrong, message
):
    with pytest.raises(ValueError, match=message):
        run(pretrained, data, **wrong)
    assert calls == []

    found, _ = run(pretrained, data, labels=4)

    assert found.manifest['settings']['labels'] == 4
    with pytest.raises(FileExistsError, match='--labels was 4, now 5'):
        run(pretrained, data, labels=5)


def test_other_labels_are_refused(pretrained, data, calls):
    run(pretrained, data)
    write_labels(data / 'train.json', data / 'train', 11)
    with pytest.raises(FileExistsError, match='train'):
        run(pretrained, data)


def test_some_labels_and_from_scratch(pretrained, data, calls):
    from mmengine.config import Config

    found, text = run(pretrained, data, labels=5, scratch=True)
    assert '5 pictures, 5 boxes' in text and 'from scratch' in text
    written = json.loads((data / 'fine' / 'train.json').read_text())
    assert len(written['images']) == 5
    assert Config.fromfile(found.config).load_from is None
    settings = FinetuneSettings(pretrained, data, data, labels=5, scratch=True)
    assert settings.folder == pretrained / 'finetune-5-scratch'


@pytest.mark.parametrize('missing', ['categories', 'images', 'annotations'])
def test_labels_that_lack_a_part(pretrained, data, calls, missing):
    with coco_documents.edited(data / 'train.json') as document:
        del document[missing]
    with pytest.raises(ValueError, match=missing):
        run(pretrained, data)
    assert calls == [] and not (data / 'fine').exists()


def test_pictures_that_are_not_there(pretrained, data, calls):
    (data / 'train' / '3.png').unlink()
    with pytest.raises(ValueError, match='3.png'):
        run(pretrained, data)
    assert calls == []


def test_a_class_of_the_training_is_not_judged(pretrained, data, calls):
    names = [dict(id=1, name='Cat'), dict(id=2, name='dog')]
    write_labels(data / 'val.json', data / 'val', 3, categories=names)
    with pytest.raises(ValueError, match='did you mean Cat'):
        run(pretrained, data)


def test_a_folder_that_is_no_pretraining(data, calls):
    with pytest.raises(FileNotFoundError, match='holds no pretraining'):
        run(data / 'nowhere', data)
    folder = RunFolder(data / 'begun', 'pretraining')
    folder.begin(dict(folder='/a'), {})
    with pytest.raises(FileNotFoundError, match='is not finished'):
        run(data / 'begun', data)


def test_a_json_needs_the_folder_of_its_pictures(pretrained, data):
    with pytest.raises(ValueError, match='needs --train-images'):
        mmsoco.finetune(pretrained, data / 'train.json', data / 'val.json')


def test_an_evaluation_without_metrics(tmp_path):
    (tmp_path / 't').mkdir()
    (tmp_path / 't' / 'a.json').write_text('{"coco/other": 1}')
    with pytest.raises(FileNotFoundError, match='no .* with coco/bbox_mAP'):
        finetuned_run.read_evaluation(tmp_path)
