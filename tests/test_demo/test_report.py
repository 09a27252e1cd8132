import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as mask_api
from small_pictures import write_store

from mmsoco.demo import make_scenes, pictures, report, run
from mmsoco.workflow.steps import Record


def test_missing_work_names_the_remedy(tmp_path):
    paths = [str(tmp_path / name) for name in ('data', 'work', 'c.py', 'out')]
    with pytest.raises(SystemExit, match='mmsoco demo` first'):
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


def test_the_steps_name_files_that_exist(tmp_path):
    steps = run.Demo(tmp_path / 'data', tmp_path / 'work').steps()
    assert len({step.name for step in steps}) == len(steps) == 9
    for step in steps:
        assert step.command[:2] == ('python', '-m')
        assert importlib.util.find_spec(step.command[2])
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
def finished_demo(tmp_path_factory):
    """What the steps leave behind, made up but for the scenes."""
    root = tmp_path_factory.mktemp('finished')
    data, work = root / 'data', root / 'work'
    spec = make_scenes.SceneSpec(train=14, few=11, val=7)
    make_scenes.make_scenes(data, spec)
    names = [f'{i + 1:04d}.jpg' for i in range(spec.train)]
    box = [[40, 40, 120, 120]]
    write_store(data / 'proposals.arrow', names, box, (192, 256))
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
    return root


def write_records(work):
    records = {
        step.name: vars(Record(' '.join(step.command), 60.0, 90.0, 700.0, ''))
        for step in run.Demo(Path('data'), work).steps()
        if step.name != 'report'
    }
    (work / 'steps.json').write_text(json.dumps(records))
    (work / 'logs').mkdir()
    (work / 'logs' / 'export.log').write_text('wrote <detector.pth>')
    loaded = [
        dict(source='x/a<b>.pth', parts=dict(neck=dict(loaded=3, new=1)))
    ]
    path = work / 'finetuning' / 't' / 'load_report.json'
    path.write_text(json.dumps(loaded))


def test_whole_report(finished_demo):
    data, work, out = (finished_demo / n for n in ('data', 'work', 'r.html'))
    config = run.config_path(run.PRETRAIN)
    report.main([str(path) for path in (data, work, config, out)])
    page = (finished_demo / 'r.html').read_text()
    # six parts with their own times and the one on own images
    assert page.count('<section ') == 7
    for anchor in re.findall('href="#(.*?)"', page):
        assert f'id="{anchor}"' in page
    assert '<td>from scratch</td><td>12.5</td>' in page
    assert '<td>pretrained with SoCo</td><td>25.0</td>' in page
    assert 'python -m mmsoco propose data/train' in page
    assert 'a&lt;b&gt;.pth' in page and '<td>neck</td><td>3</td>' in page
    assert 'wrote &lt;detector.pth&gt;' in page
    # 8 steps of a minute each
    assert '8.0 min' in page
    # scenes, labels, proposals, views, two sets of curves, detections
    assert page.count('<img src="data:image/') == 7
