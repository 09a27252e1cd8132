import importlib
import json
import re

import numpy as np
import pytest
from pycocotools import mask as mask_api

from mmsoco.demo import pictures, report
from mmsoco.proposals.store import ProposalRecord, ProposalStoreWriter


def test_load_report_is_cut_out_of_a_log(tmp_path):
    log = tmp_path / 'log'
    log.write_text(
        'before\n'
        '11/20 - mmengine - INFO - Tensors by part, from x.pth:\n'
        'part       loaded   new  left out  other shape\n'
        'backbone      100     0         0            0\n'
        'bbox_head      22     4         0            0\n'
        'The model and loaded state dict do not match exactly\n'
        'missing keys: ...\n'
    )
    table = report.load_report(log).splitlines()
    assert [line.split()[0] for line in table] == [
        'part',
        'backbone',
        'bbox_head',
    ]


def test_no_load_report(tmp_path):
    (tmp_path / 'log').write_text('resumed\n')
    assert report.load_report(tmp_path / 'log') == ''


@pytest.mark.parametrize(
    ('value', 'text'), [(0.0, '0.0'), (0.1234, '12.3'), (-1.0, 'none')]
)
def test_percent(value, text):
    assert report.percent(value) == text


def test_missing_work_names_the_remedy(tmp_path):
    paths = [str(tmp_path / name) for name in ('data', 'work', 'c.py', 'out')]
    with pytest.raises(SystemExit, match='run_demo.py first'):
        report.main(paths)
    assert not (tmp_path / 'out').exists()


def detection(left: int, score: float) -> dict:
    mask = np.zeros((40, 40), np.uint8, order='F')
    mask[10:30, left : left + 20] = 1
    return dict(segmentation=mask_api.encode(mask), score=score)


def test_best_detection_per_place():
    # Shifted by 2 of 20 columns, the overlap is 18 / 22; by 15, it is 5 / 35.
    best, worse = detection(0, 0.9), detection(2, 0.8)
    apart = detection(15, 0.5)
    weak = detection(20, 0.1)
    kept = pictures.best_per_place([worse, weak, apart, best])
    assert kept == [apart, best]
    assert pictures.best_per_place([]) == []


def test_objects_are_sorted_by_image_and_score():
    things = [
        dict(image_id=1, score=0.9),
        dict(image_id=2),
        dict(image_id=1, score=0.4),
    ]
    by_image = pictures.objects_of(things)
    assert [thing['score'] for thing in by_image[1]] == [0.4, 0.9]
    assert by_image[2] == [dict(image_id=2)]


def test_run_demo_names_files_that_exist(repo_dir, monkeypatch):
    run_demo = importlib.import_module('run_demo')
    monkeypatch.chdir(repo_dir)
    steps = [
        *run_demo.data_steps(),
        *run_demo.training_steps(),
        run_demo.report_step(),
    ]
    assert len({step.name for step in steps}) == len(steps) == 9
    for step in steps:
        assert step.command[0] == 'python'
        assert (repo_dir / step.command[1]).is_file()
        for path in step.inputs:
            assert path.is_file()
        assert all(word for word in step.command)


def test_twin_configs_differ_by_the_weights_alone(repo_dir):
    from mmengine.config import Config

    folder = repo_dir / 'configs' / 'demo'
    for scratch in folder.glob('*_scratch_*.py'):
        twin = folder / scratch.name.replace('_scratch_', '_soco_')
        ours, theirs = (dict(Config.fromfile(p)) for p in (twin, scratch))
        assert ours.pop('load_from') and not theirs.pop('load_from')
        assert ours == theirs


def write_lines(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('\n'.join(json.dumps(line) for line in lines))


@pytest.fixture(scope='module')
def finished_demo(repo_dir, tmp_path_factory):
    """What the steps leave behind, made up but for the scenes."""
    make_scenes = importlib.import_module('mmsoco.demo.make_scenes')
    root = tmp_path_factory.mktemp('finished')
    data, work = root / 'data', root / 'work'
    spec = make_scenes.SceneSpec(train=14, few=11, val=7)
    make_scenes.make_scenes(data, spec)
    with ProposalStoreWriter(data / 'proposals.arrow', {}) as writer:
        box = np.array([[40, 40, 120, 120]], np.float32)
        for i in range(spec.train):
            name = f'{i + 1:04d}.jpg'
            writer.write([ProposalRecord(name, 192, 256, box, 0)])
    gauges = dict(
        loss=-1.0, loss_12=-0.5, loss_13=-0.5, embedding_std=0.9,
        pair_cosine=0.2, images_per_s=5.0, target_momentum=0.97,
    )  # fmt: skip
    losses = dict(loss=2.0, loss_cls=1.0, loss_mask=0.5)
    for name, line in (
        ('pretraining', gauges), ('finetuning', losses), ('scratch', losses),
    ):  # fmt: skip
        lines = [dict(line, step=step) for step in (1, 2)]
        write_lines(work / name / 't' / 'vis_data' / 'scalars.json', lines)
    val = json.loads((data / 'annotations' / 'val.json').read_text())
    found = [dict(a, score=0.9) for a in val['annotations']]
    for name, value in (('test_scratch', 0.125), ('test_finetuning', 0.25)):
        (work / name).mkdir()
        (work / name / 'detections.segm.json').write_text(json.dumps(found))
        keys = ('bbox_mAP', 'bbox_mAP_50', 'segm_mAP', 'segm_mAP_50')
        metrics = {f'coco/{key}': value for key in keys}
        write_lines(work / name / 't' / 't.json', [metrics])
    write_records(work)
    base = repo_dir / importlib.import_module('run_demo').PRETRAIN
    (root / 'config.py').write_text(
        f'_base_ = {str(base)!r}\n'
        'train_dataloader = dict(dataset=dict('
        f'image_root={str(data / "train")!r}, '
        f'proposals={str(data / "proposals.arrow")!r}))\n'
    )
    return root


def write_records(work):
    run_demo = importlib.import_module('run_demo')
    steps = importlib.import_module('steps')
    records = {}
    for step in [*run_demo.data_steps(), *run_demo.training_steps()]:
        records[step.name] = vars(
            steps.Record(' '.join(step.command), 60.0, 90.0, 700.0, '')
        )
    (work / 'steps.json').write_text(json.dumps(records))
    (work / 'logs').mkdir()
    (work / 'logs' / 'export.log').write_text('wrote <detector.pth>')
    (work / 'logs' / 'finetuning.log').write_text('nothing to report')


def test_whole_report(finished_demo, repo_dir, monkeypatch):
    monkeypatch.chdir(repo_dir)
    paths = [
        finished_demo / n for n in ('data', 'work', 'config.py', 'r.html')
    ]
    report.main([str(path) for path in paths])
    page = (finished_demo / 'r.html').read_text()
    # six parts with a time of their own and the one on own images
    assert page.count('<section ') == 7
    for anchor in re.findall('href="#(.*?)"', page):
        assert f'id="{anchor}"' in page
    assert '<td>from scratch</td><td>12.5</td>' in page
    assert '<td>pretrained with SoCo</td><td>25.0</td>' in page
    assert 'python tools/proposals/generate.py data/demo/train' in page
    assert 'wrote &lt;detector.pth&gt;' in page
    # 8 steps of a minute each
    assert '8.0 min' in page
    # scenes, labels, proposals, views, two sets of curves, detections
    assert page.count('<img src="data:image/') == 7
