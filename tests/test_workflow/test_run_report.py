import json
import re

import pytest
from PIL import Image
from small_pictures import write_store

from mmsoco.proposals.filters import FilterSpec
from mmsoco.workflow.filter_choice import Coverage, FilterChoice
from mmsoco.workflow.run_folder import RunFolder
from mmsoco.workflow.run_report import write_run_report

LINE = dict(
    loss=-4.0, loss_12=-2.0, loss_13=-2.0, embedding_std=0.7, time=1.0,
    pair_cosine=0.5, images_per_s=12.0, target_momentum=0.99,
)  # fmt: skip
CHOICE = FilterChoice(
    FilterSpec(min_size=8),
    'chosen for 9 labeled objects',
    Coverage(20.0, 0.7, 0.0, 0.34),
    Coverage(5.0, 0.2, 0.0, 0.05),
    pictures=4,
    labels=9,
)


@pytest.fixture
def run(tmp_path):
    """What the steps of a pretraining leave behind."""
    path = tmp_path / 'a <b>'
    folder = RunFolder(path, 'pretraining')
    folder.begin(
        dict(folder='/data/my <pictures>', pictures=677, sha256='0'),
        dict(epochs=2),
    )
    boxes = [[1, 1, 30, 30], [2, 2, 40, 40]]
    write_store(path / 'proposals.arrow', ['a.jpg'], boxes, (64, 64))
    (path / 'look').mkdir()
    for name in ('proposals.jpg', 'views.jpg'):
        Image.new('RGB', (8, 8)).save(path / 'look' / name)
    scalars = path / 'checkpoints' / 't' / 'vis_data' / 'scalars.json'
    scalars.parent.mkdir(parents=True)
    lines = [dict(LINE, step=step) for step in (1, 2)]
    scalars.write_text('\n'.join(map(json.dumps, lines)))
    plan = dict(
        detector='R18', epochs=2, steps_per_epoch=42, batch_size=16,
        precision='bf16', threads=None, view_size=128,
    )  # fmt: skip
    folder.save(plan=plan, exported=dict(backbone=100, neck=40))
    for name in ('proposals', 'look', 'pretrain', 'export'):
        folder.note(name, 5.0)
    return folder


def page_of(run):
    write_run_report(run.path)
    return (run.path / 'report.html').read_text()


def test_the_page_of_a_plain_run(run):
    page = page_of(run)
    assert page.index('What this page cannot show') < page.index('<section')
    # 84 steps are below the limit
    assert 'made 84 steps, fewer than the 600' in re.sub(r'\s+', ' ', page)
    assert 'Its lowest possible value is\n-8' in page
    assert 'my &lt;pictures&gt;' in page and '<pictures>' not in page
    assert '<td>backbone</td><td>100</td>' in page
    assert 'left to torch' in page
    # proposals, views, curves
    assert page.count('<img src="data:image/') == 3
    for anchor in re.findall('href="#(.*?)"', page):
        assert f'id="{anchor}"' in page
    assert 'The filter:' not in page  # the user's own proposals


def test_filter_probe_and_start_are_told(run):
    probe = dict(text='The probe.', header=['of', 'knn'], rows=[['P2', '0.5']])
    run.save(filter=CHOICE.as_dict(), probe=probe)
    parts = dict(backbone=dict(loaded=100, new=0))
    report = run.checkpoints / 't' / 'load_report.json'
    report.write_text(json.dumps([dict(source='coco.pth', parts=parts)]))
    page = re.sub(r'\s+', ' ', page_of(run))
    assert '--min-size 8 (chosen for 9 labeled objects)' in page
    assert 'covers 34% of 9 labeled objects' in page
    assert 'the default filter covers 5%' in page
    assert '<td>P2</td><td>0.5</td>' in page
    assert 'from coco.pth' in page


def test_a_long_run_is_not_called_short(run):
    run.save(plan=dict(run.manifest['plan'], epochs=40))
    assert 'fewer than the' not in page_of(run)


@pytest.mark.filterwarnings('error')
def test_a_run_of_one_step_has_no_speed(run):
    (scalars,) = run.checkpoints.glob('*/vis_data/scalars.json')
    line = {k: v for k, v in LINE.items() if k != 'images_per_s'}
    scalars.write_text(json.dumps(dict(line, step=1)))
    run.save(plan=dict(run.manifest['plan'], epochs=1, steps_per_epoch=1))
    page = re.sub(r'\s+', ' ', page_of(run))
    assert 'pictures per second' not in page
    assert 'made 1 step, fewer than the 600' in page
    assert '<td>1 of 1 step</td>' in page


def test_settings_are_told_as_they_are_typed(run):
    given = dict(time=7200.0, filters=dict(min_size=8), cfg_options={'a.b': 1})
    run.save(settings=given)
    page = page_of(run)
    for option, value in (
        ('--time', '2.0 hours'),
        ('--min-size', '8'),
        ('--cfg-options a.b', '1'),
    ):
        assert f'<td>{option}</td><td>{value}</td>' in page
