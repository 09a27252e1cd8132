import io

import pytest
import torch

from mmsoco.checkpoints.load_report import LoadReport, PartReport
from mmsoco.workflow import training as module
from mmsoco.workflow.console import Progress
from mmsoco.workflow.news import DetectorNews, PretrainingNews
from mmsoco.workflow.run_folder import RunFolder
from mmsoco.workflow.settings import PretrainSettings
from mmsoco.workflow.training import (
    Training,
    describe_start,
    fastest,
    images_per_second,
)


def step(precision, threads, seconds):
    return dict(precision=precision, threads=threads, seconds=seconds)


@pytest.mark.parametrize(
    ('times', 'best'),
    [
        ([('fp32', 2, 0.8), ('bf16', 2, 0.6)], ('bf16', 2)),
        # not worth its coarser numbers
        ([('fp32', 2, 0.8), ('bf16', 2, 0.78)], ('fp32', 2)),
        ([('fp32', 2, 5.0), ('fp32', 1, 1.0), ('bf16', 2, 9.0)], ('fp32', 1)),
        ([('bf16', 8, 0.1)], ('bf16', 8)),
    ],
)
def test_the_fastest_setting_is_taken(times, best):
    found = fastest([step(*entry) for entry in times])
    assert (found['precision'], found['threads']) == best


def test_loading_shares_the_cores_or_runs_beside_a_gpu(monkeypatch):
    monkeypatch.setattr(module, 'available_cores', lambda: 4)
    measured = dict(seconds=0.5, sample_seconds=0.025, batch_size=20)
    # a batch takes half a second of loading: 0.125 s on four cores
    assert images_per_second(measured, 2, 1, False) == 20 / 0.625
    # two workers load a batch in 0.25 s, while the GPU computes for 0.5 s
    assert images_per_second(measured, 2, 1, True) == 40
    # ... and one worker of a slow disk decides
    slow = dict(measured, sample_seconds=0.1)
    assert images_per_second(slow, 1, 8, True) == pytest.approx(8 * 10)


class Bar(Progress):
    def __init__(self, total):
        super().__init__(total)
        self.shown = []

    def show(self, text, name=None):
        self.shown.append((name, text))


def entry(step, epoch, **values):
    common = dict(loss=-4.6, time=0.5, embedding_std=0.74, pair_cosine=0.58)
    common['retrieval'] = 0.25
    return dict(common, step=step, epoch=epoch, images_per_s=27.4, **values)


def test_news_in_words():
    bar = Bar(800)
    news = PretrainingNews(bar, 8, least=-8.0)
    news.take([dict(step=5, lr=1.0), entry(10, 1), entry(200, 2)])
    assert bar.done == 200
    name, text = bar.shown[-1]
    assert name == 'epoch 2/8'
    # 600 steps of half a second are left
    assert text == (
        'loss -4.6 (least -8)   spread 0.74 ok   same object 0.58   '
        'found again 0.25   27 images/s   5 min left'
    )
    news.take([entry(800, 8, embedding_std=0.05)])
    assert 'COLLAPSED' in news.text and 'left' not in news.text


def test_news_of_a_detector():
    bar = Bar(10)
    news = DetectorNews(bar, 2)
    news.take([dict(step=10, epoch=2, loss=1.234, acc=91.4, time=1.0)])
    assert bar.shown == [('epoch 2/2', 'loss 1.23   class accuracy 91 %')]


def test_what_arrived_in_a_line():
    parts = dict(
        backbone=PartReport(loaded=['a', 'b'], new=['c']),
        neck=PartReport(new=['d']),
    )
    report = LoadReport(parts, source='x/coco.pth')
    assert (
        describe_start(report)
        == 'coco.pth: backbone 2/3, copied to the target'
    )


def training(tmp_path, **options):
    settings = PretrainSettings(tmp_path, tmp_path / 'out', **options)
    folder = RunFolder(tmp_path / 'out', 'pretraining')
    console = type('Silent', (), dict(stream=io.StringIO()))()
    return Training(folder, settings, console)


def test_a_second_call_says_where_it_goes_on(tmp_path, monkeypatch):
    made = training(tmp_path)
    made.folder.manifest = dict(steps={})
    details = []
    made.console.step = lambda *_: None
    made.console.detail = lambda name, text: details.append((name, text))
    plan = type('Plan', (), dict(epochs=2))()
    monkeypatch.setattr(made, 'plan', lambda: plan)
    monkeypatch.setattr(made, 'config', dict)
    monkeypatch.setattr(made, '_describe', lambda _: '')
    monkeypatch.setattr(made, '_remarks', lambda _: [])
    monkeypatch.setattr(made, '_train', lambda *_: None)
    monkeypatch.setattr(module.configs, 'apply_plan', lambda *_: {})
    monkeypatch.setattr(module.configs, 'write_config', lambda *_: None)
    made.run(3)
    assert details == []
    made.folder.checkpoints.mkdir()
    torch.save({'state_dict': {}}, made.folder.checkpoints / 'epoch_1.pth')
    made.run(3)
    assert details == [('resume', 'from checkpoints/epoch_1.pth')]


@pytest.mark.parametrize(
    ('options', 'epochs'),
    [
        (dict(epochs=3), 3),
        # an hour at 10 pictures per second sees 100 pictures 360 times
        (dict(time=3600.0), 360),
        (dict(time=1.0), 1),
        # 2,500 steps of 6 a pass, but at most 400 passes
        ({}, 400),
    ],
)
def test_the_length_follows_the_options(tmp_path, options, epochs):
    made = training(tmp_path, **options)
    assert made._epochs(steps=6, pictures=100, speed=10.0) == epochs


def test_the_default_length_is_in_steps(tmp_path):
    made = training(tmp_path)
    assert made._epochs(steps=42, pictures=677, speed=1.0) == 60  # 2520 steps
    assert made._epochs(steps=9999, pictures=160000, speed=1.0) == 8


def test_a_recipe_that_counts_samples_sets_the_length(tmp_path):
    made = training(tmp_path)
    made.recipe.train_cfg = dict(
        type='SampleBudgetTrainLoop', num_samples=5000, min_epochs=2,
        max_epochs=40,
    )  # fmt: skip
    assert made._epochs(steps=10, pictures=200, speed=1.0) == 25
    assert made._epochs(steps=10, pictures=20, speed=1.0) == 40


@pytest.mark.parametrize(
    ('options', 'kind', 'message'),
    [
        (dict(init='nowhere.pth'), FileNotFoundError, '--init: there is no'),
        (dict(detector='nowhere.py'), FileNotFoundError, '--detector'),
        (dict(cfg_options={'modell.x': 1}), ValueError, 'modell'),
        (dict(precision='fp16'), ValueError, 'fp16 needs a GPU'),
    ],
)
def test_what_cannot_be_trained_is_refused_early(
    tmp_path, options, kind, message
):
    made = training(tmp_path, **options)
    if made.has_gpu:
        pytest.skip('this machine has a GPU')
    with pytest.raises(kind, match=message):
        made.check()


@pytest.mark.parametrize('content', [b'', b'no checkpoint', b'PK\x03\x04'])
def test_a_start_that_is_no_checkpoint(tmp_path, content):
    path = tmp_path / 'coco.pth'
    path.write_bytes(content)
    with pytest.raises(ValueError, match='--init .*coco.pth'):
        training(tmp_path, init=str(path)).check()


def test_a_start_of_another_detector(tmp_path):
    import torch

    path = tmp_path / 'other.pth'
    state = {
        'backbone.conv1.weight': torch.zeros(64, 3, 7, 7),
        'backbone.bn1.weight': torch.zeros(64),
    }
    torch.save(dict(state_dict=state), path)
    with pytest.raises(ValueError, match='--init .*other.pth'):
        training(tmp_path, init=str(path)).check()
