import importlib

import numpy as np
import pytest
from pycocotools import mask as mask_api


@pytest.fixture(scope='module')
def write_report():
    return importlib.import_module('write_report')


@pytest.fixture(scope='module')
def pictures():
    return importlib.import_module('pictures')


def test_load_report_is_cut_out_of_a_log(write_report, tmp_path):
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
    table = write_report.load_report(log).splitlines()
    assert [line.split()[0] for line in table] == [
        'part',
        'backbone',
        'bbox_head',
    ]


def test_no_load_report(write_report, tmp_path):
    (tmp_path / 'log').write_text('resumed\n')
    assert write_report.load_report(tmp_path / 'log') == ''


@pytest.mark.parametrize(
    ('value', 'text'), [(0.0, '0.0'), (0.1234, '12.3'), (-1.0, 'none')]
)
def test_percent(write_report, value, text):
    assert write_report.percent(value) == text


def test_missing_work_names_the_remedy(write_report, tmp_path):
    paths = [str(tmp_path / name) for name in ('data', 'work', 'c.py', 'out')]
    with pytest.raises(SystemExit, match='run_demo.py first'):
        write_report.main(paths)
    assert not (tmp_path / 'out').exists()


def detection(left: int, score: float) -> dict:
    mask = np.zeros((40, 40), np.uint8, order='F')
    mask[10:30, left : left + 20] = 1
    return dict(segmentation=mask_api.encode(mask), score=score)


def test_best_detection_per_place(pictures):
    # Shifted by 2 of 20 columns, the overlap is 18 / 22; by 15, it is 5 / 35.
    best, worse = detection(0, 0.9), detection(2, 0.8)
    apart = detection(15, 0.5)
    weak = detection(20, 0.1)
    kept = pictures.best_per_place([worse, weak, apart, best])
    assert kept == [apart, best]
    assert pictures.best_per_place([]) == []


def test_objects_are_sorted_by_image_and_score(pictures):
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
