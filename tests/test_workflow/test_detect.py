"""Objects in new pictures, found by a detector of random weights."""

import json
import re
import shutil

import numpy as np
import pytest
import torch
from command import assert_refused, call, succeed
from mmengine.config import Config
from mmengine.registry import DefaultScope
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from tiny_models import mask_rcnn_fpn

from mmsoco.checkpoints import io
from mmsoco.datasets.label_checks import check_labels
from mmsoco.datasets.label_reading import read_labels
from mmsoco.registry import MODELS
from mmsoco.workflow import finetune_config
from mmsoco.workflow.detect import detect
from mmsoco.workflow.pretrain_config import write_config
from mmsoco.workflow.run_folder import RunFolder

CLASSES = ('cat', 'dog')
CATEGORIES = [dict(id=7, name='dog'), dict(id=3, name='cat')]


@pytest.fixture(scope='module')
def finetuned(tmp_path_factory):
    """What `mmsoco finetune` leaves behind that `mmsoco detect` reads."""
    folder = RunFolder(tmp_path_factory.mktemp('run') / 'fine', 'fine-tuning')
    folder.begin({}, {})
    folder.note('evaluate', 1.0)
    path = folder.path
    data = finetune_config.DetectionData(
        CLASSES, True, path / 'train.json', path, path / 'val.json', path,
        (160, 128),
    )  # fmt: skip
    pretraining = Config(dict(model=dict(detector=mask_rcnn_fpn())))
    cfg = finetune_config.build_config(
        finetune_config.load_recipe(False), pretraining, data,
        folder.checkpoints, None,
    )  # fmt: skip
    write_config(cfg, path / 'finetune.py', 'x')
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(cfg.model)
    model.init_weights()
    meta = dict(dataset_meta=dict(classes=CLASSES))
    content = dict(state_dict=model.state_dict(), meta=meta)
    io.save_atomic(content, path / 'detector.pth')
    labels = dict(
        images=[dict(id=1, file_name='a.png', width=80, height=60)],
        annotations=[
            dict(id=1, image_id=1, category_id=3, bbox=[0, 0, 30, 20])
        ],
        categories=CATEGORIES,
    )
    found = [dict(image_id=1, category_id=3, bbox=[0, 0, 30, 20], score=0.3)]
    (path / 'val.json').write_text(json.dumps(labels))
    (path / 'detections.bbox.json').write_text(json.dumps(found))
    return path


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / 'new pictures'
    rng = np.random.default_rng(0)
    for name, size in (('a.jpg', (60, 80, 3)), ('b/c.png', (90, 50, 3))):
        file = folder / name
        file.parent.mkdir(exist_ok=True, parents=True)
        Image.fromarray(rng.integers(0, 256, size, np.uint8)).save(file)
    return folder


def read(out):
    return json.loads((out / 'detections.json').read_text())


def test_objects_are_those_of_mmdets_inferencer(finetuned, pictures, tmp_path):
    from mmdet.apis import DetInferencer

    text = succeed(
        'detect', finetuned, pictures, '--out', tmp_path / 'out', '--score', 0
    )
    document = read(tmp_path / 'out')
    names = [image['file_name'] for image in document['images']]
    assert names == ['a.jpg', 'b/c.png']
    assert '2 pictures' in text
    assert document['categories'] == CATEGORIES
    inferencer = DetInferencer(
        str(finetuned / 'finetune.py'), str(finetuned / 'detector.pth'), 'cpu'
    )
    ids = {c['name']: c['id'] for c in CATEGORIES}
    for image in document['images']:
        ours = [
            a for a in document['annotations'] if a['image_id'] == image['id']
        ]
        [theirs] = inferencer(
            str(pictures / image['file_name']), pred_score_thr=0
        )['predictions']
        assert len(ours) == len(theirs['scores']) > 5
        for item, label, score, box, mask in zip(
            ours,
            *(theirs[k] for k in ('labels', 'scores', 'bboxes', 'masks')),
            strict=True,
        ):
            assert item['category_id'] == ids[CLASSES[label]]
            assert item['score'] == pytest.approx(score, abs=1e-4)
            x, y, width, height = item['bbox']
            corners = (x, y, x + width, y + height)
            assert corners == pytest.approx(box, abs=0.02)
            bits = [coco_mask.decode(m) for m in (item['segmentation'], mask)]
            assert (bits[0] == bits[1]).all()


def test_pictures_are_drawn_and_broken_ones_left_out(
    finetuned, pictures, tmp_path
):
    (pictures / 'broken.jpg').write_text('no picture')
    (pictures / 'notes.txt').write_text('x')
    # Resized, the first two have no pixels, and half a pixel or more is one.
    sizes = {'wide.png': (2, 4000), 'high.png': (999, 1), 'line.png': (1, 300)}
    for name, size in sizes.items():
        Image.fromarray(np.zeros((*size, 3), np.uint8)).save(pictures / name)
    longest = f'{"x" * 251}.png'
    shutil.copy(pictures / 'b' / 'c.png', pictures / longest)
    out = tmp_path / 'out'
    text = succeed('detect', finetuned, pictures, '--out', out, '--score', 0)
    drawn = sorted(p.relative_to(out / 'pictures') for p in out.rglob('*.jpg'))
    assert [str(path) for path in drawn] == [
        'a.jpg', 'b/c.png.jpg', 'line.png.jpg', f'{"x" * 251}.jpg',
    ]  # fmt: skip
    assert re.search(r'left out +2 +too narrow.*160x128.* high.png, wi', text)
    before = np.array(Image.open(pictures / 'b' / 'c.png'))
    after = np.array(Image.open(out / 'pictures' / 'b' / 'c.png.jpg'))
    assert before.shape == after.shape
    assert np.abs(before.astype(int) - after).max() > 100  # frames and text
    assert 'broken.jpg' in text and 'notes.txt' in text


def test_other_pictures_replace_the_drawings(finetuned, pictures, tmp_path):
    out = tmp_path / 'out'
    mine = out / 'pictures' / 'mine.jpg'
    succeed('detect', finetuned, pictures, '--out', out, '--score', 1)
    mine.write_text('of the user')
    document = read(out)
    for name in ('../../mine.jpg', str(tmp_path / 'mine.jpg')):
        document['images'].append(dict(file_name=name))
    (out / 'detections.json').write_text(json.dumps(document))
    (tmp_path / 'mine.jpg').write_text('of the user')
    args = (finetuned, pictures / 'a.jpg', '--out', out, '--score', 1)
    succeed('detect', *args, '--overwrite')
    drawn = sorted(p.name for p in out.rglob('*.jpg'))
    assert drawn == ['a.jpg', 'mine.jpg']
    assert (tmp_path / 'mine.jpg').is_file()


def test_a_tar_file_is_read_and_dark_pictures_are_noted(
    finetuned, pictures, tmp_path
):
    twelve_bits = np.full((40, 40), 4095, np.uint16)
    Image.fromarray(twelve_bits).save(pictures / 'dark.png')
    succeed('pack', pictures, '--out', tmp_path / 'new.tar')
    documents = []
    for source in (pictures, tmp_path / 'new.tar'):
        out = tmp_path / f'out {source.name}'
        text = succeed('detect', finetuned, source, '--out', out)
        assert re.search('note +1 +nearly black.*dark.png', text)
        documents.append(read(out))
    assert documents[0] == documents[1]


def test_detections_are_labels_to_train_on(finetuned, pictures, tmp_path):
    out = tmp_path / 'out'
    succeed('detect', finetuned, pictures, '--out', out, '--score', 0)
    labels = read_labels(out / 'detections.json', pictures)
    check_labels(labels, source='the detections')
    assert not len(labels.problems)
    assert labels.classes == ('dog', 'cat')  # the file's order
    wanted = [a['bbox'] for a in read(out)['annotations']]
    assert [a['bbox'] for a in labels.document['annotations']] == wanted
    truth = COCO(str(out / 'detections.json'))
    # pycocotools takes an id of 0 for none.
    assert min(*truth.anns, *truth.imgs) == 1


def test_the_score_with_the_best_f1_is_the_default(
    finetuned, pictures, tmp_path
):
    text = succeed('detect', finetuned, pictures, '--out', tmp_path / 'out')
    assert 'with a score of 0.30 or more' in text
    assert all(
        a['score'] >= 0.3 for a in read(tmp_path / 'out')['annotations']
    )


@pytest.mark.parametrize('score', [50, '0.5', float('nan'), True])
def test_a_score_that_is_none_is_refused(tmp_path, score):
    with pytest.raises(ValueError, match='--score must be from 0 to 1, got'):
        detect(tmp_path, tmp_path, tmp_path / 'out', score=score)


def test_one_picture_and_the_folder_of_the_pretraining(
    finetuned, pictures, tmp_path
):
    out = pictures / 'out'  # next to the picture
    succeed('detect', finetuned.parent, pictures / 'a.jpg', '--out', out)
    assert [i['file_name'] for i in read(out)['images']] == ['a.jpg']


def test_existing_detections_are_kept(finetuned, pictures, tmp_path):
    words = ('detect', finetuned, pictures, '--out', tmp_path / 'out')
    succeed(*words)
    assert_refused(call(*words), r"detections.json' exists; .*--overwrite")
    succeed(*words, '--overwrite')


def no_detection_is_right(run):
    (run / 'detections.bbox.json').write_text('[]')


def it_was_not_finished(run):
    (run / 'detector.pth').unlink()


def its_evaluation_is_gone(run):
    (run / 'detections.bbox.json').unlink()


def its_labels_are_cut(run):
    (run / 'val.json').write_text('{')


def replaced(file, old, new):
    """What writes other words into a file of the run."""

    def change(run):
        text = (run / file).read_text()
        assert old in text
        (run / file).write_text(text.replace(old, new))

    return change


def another_is_there(run):
    folder = RunFolder(run.parent / 'second', 'fine-tuning')
    folder.begin({}, {})
    folder.note('evaluate', 1.0)


@pytest.mark.parametrize(
    ('change', 'asked', 'message'),
    [
        (no_detection_is_right, 'fine', 'no best score: name one with --sco'),
        (it_was_not_finished, 'fine', 'run `mmsoco finetune` again'),
        (
            its_evaluation_is_gone,
            'fine',
            'bbox.json is missing; run `mmsoco',
        ),
        (its_labels_are_cut, 'fine', 'val.json cannot be read as JSON'),
        (
            replaced('finetune.py', 'num_classes=2', 'num_classes=3'),
            'fine',
            'does not fit .*finetune.py',
        ),
        (
            replaced('finetune.py', 'test_dataloader', 'loader'),
            'fine',
            'finetune.py or .*json must have been changed',
        ),
        (
            replaced('finetune.py', 'MaskRCNN', 'MaskRCN'),
            'fine',
            'changed since.*MaskRCN is not in',
        ),
        (replaced('val.json', '"dog"', '"hog"'), 'fine', 'val.json must.*dog'),
        (
            replaced('val.json', 'annotations', 'notes'),
            'fine',
            "val.json or .*json must .*KeyError: 'annotations'",
        ),
        (another_is_there, '.', 'holds 2 fine-tunings; give one of .*second'),
        (lambda run: None, 'none', 'holds no fine-tuning'),
    ],
)
def test_what_cannot_be_meant(
    finetuned, pictures, tmp_path, change, asked, message
):
    shutil.copytree(finetuned, tmp_path / 'runs' / 'fine')
    change(tmp_path / 'runs' / 'fine')
    outcome = call(
        'detect', tmp_path / 'runs' / asked, pictures, '--out', tmp_path / 'o'
    )
    assert_refused(outcome, message)
    assert not (tmp_path / 'o').exists()


def test_pictures_that_cannot_be_read(finetuned, tmp_path):
    (tmp_path / 'a.jpg').write_text('no picture')
    for images in (tmp_path / 'a.jpg', tmp_path):
        outcome = call(
            'detect', finetuned, images, '--out', tmp_path.parent / 'o'
        )
        assert_refused(outcome, 'no picture of 1 can be read')
