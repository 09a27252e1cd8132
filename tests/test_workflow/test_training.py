import io
import signal
from dataclasses import replace

import pytest
import torch
from mmengine.dataset import sampler
from PIL import Image
from small_runs import at_iteration, small_runner
from torch.utils.data import DataLoader

from mmsoco.checkpoints.load_report import LoadReport, PartReport
from mmsoco.utils.stop_signals import StoppedError
from mmsoco.workflow import training as module
from mmsoco.workflow.console import Progress
from mmsoco.workflow.news import DetectorNews, PretrainingNews
from mmsoco.workflow.plan_text import (
    describe_other_detector,
    describe_plan,
    describe_start,
)
from mmsoco.workflow.pretrain_config import Plan, describe_detector
from mmsoco.workflow.run_folder import RunFolder
from mmsoco.workflow.settings import PretrainSettings
from mmsoco.workflow.training import Training


class Bar(Progress):
    def __init__(self, total):
        super().__init__(total)
        self.shown = []

    def show(self, text, name=None):
        self.shown.append((name, text))


def entry(step, epoch, **values):
    common = dict(time=0.5, embedding_std=0.74, pair_cosine=0.58)
    # with a pretext, whose loss is above 0
    common |= dict(loss=-4.2, loss_12=-2.4, loss_13=-2.2, loss_rpn_cls=0.4)
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
    news.take([{**entry(300, 3), 'loss_12': -0.02, 'loss_13': 0.0}])
    assert news.text.startswith('loss 0.0 (')
    news.take([entry(800, 8, embedding_std=0.05)])
    assert 'COLLAPSED' in news.text and 'left' not in news.text
    news.take([entry(800, 8, skipped_steps=3)])
    assert '3 steps skipped' in news.text
    news.take([{**entry(300, 3), 'images_per_s': 0.32}])
    assert '0.32 images/s' in news.text
    first = entry(1, 1)
    del first['images_per_s']  # the first steps have no speed yet
    news.take([first])
    assert 'images/s' not in news.text and 'nan' not in news.text


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
    Image.new('RGB', (64, 64)).save(tmp_path / 'picture.png')
    settings = PretrainSettings(tmp_path, tmp_path / 'out', **options)
    folder = RunFolder(tmp_path / 'out', 'pretraining')
    console = type('Silent', (), dict(stream=io.StringIO()))()
    return Training(folder, settings, console)


def test_modules_of_the_detector_are_imported_in_the_training(tmp_path):
    """Its process reads the written config alone."""
    name = 'mmsoco::_base_/models/mask-rcnn_r50-c4_extra-norm.py'
    cfg = training(tmp_path, detector=name).config()
    [module] = cfg.custom_imports.imports
    assert 'extra_norm' in module
    assert 'custom_imports' not in training(tmp_path).config()


@pytest.mark.parametrize(
    ('options', 'has_gpu', 'trained'),
    [
        ({}, False, True),
        ({}, True, False),
        (dict(rpn=True), True, True),
        (dict(rpn=False), False, False),
        (dict(init='scratch'), False, True),
        # an RPN that was trained on labels
        (dict(init='coco.pth'), False, False),
        (dict(cfg_options={'model.init': 'coco.pth'}), False, False),
        (dict(cfg_options={'model.pretexts': []}), False, False),
        (
            dict(detector='mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'),
            False,
            False,
        ),
    ],
)
def test_when_the_rpn_is_trained(
    tmp_path, monkeypatch, options, has_gpu, trained
):
    monkeypatch.setattr(module, 'has_gpu', lambda: has_gpu)
    made = training(tmp_path, **options)
    assert made.trains_rpn is trained
    assert bool(made.config().model.get('pretexts')) is trained


@pytest.mark.parametrize(('part', 'trained'), [('', False), ('neck', True)])
def test_weights_that_the_detectors_config_names(
    tmp_path, monkeypatch, part, trained
):
    monkeypatch.setattr(module, 'has_gpu', lambda: False)
    made = training(tmp_path)
    owner = made.detector[part] if part else made.detector
    owner['init_cfg'] = dict(type='Pretrained', checkpoint='coco.pth')
    assert made.trains_rpn is trained


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


@pytest.mark.parametrize(
    ('pictures', 'batch', 'devices'),
    [(63, 16, 2), (64, 16, 2), (33, 16, 2), (31, 16, 2), (40, 8, 1)],
)
def test_the_steps_are_those_of_the_loader(
    tmp_path, monkeypatch, pictures, batch, devices
):
    made = training(tmp_path, batch_size=batch, devices=devices)
    measured = dict(precision='fp32', threads=1, seconds=1.0)
    measured |= dict(batch_size=batch, sample_seconds=0.1)
    monkeypatch.setattr(made, '_measure', lambda cfg: measured)
    monkeypatch.setattr(module, 'ProposalStore', lambda _: range(pictures))
    plan = made._make_plan()
    monkeypatch.setattr(sampler, 'get_dist_info', lambda: (0, devices))
    loader = DataLoader(
        range(pictures),
        plan.batch_size,
        sampler=sampler.DefaultSampler(range(pictures)),
        drop_last=True,
    )
    assert plan.steps_per_epoch == len(loader)


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
        # whatever part of the training it is meant for
        *(
            (dict(cfg_options={key: 1}), ValueError, key)
            for key in (
                'model.xx',
                'model.detector.backbone.xx',
                'optim_wrapper.xx',
                'optim_wrapper.optimizer.xx',
                'param_scheduler.xx',
                'default_hooks.collapse.xx',
                'default_hooks.checkpoint.xx',
                'train_dataloader.xx',
                'train_dataloader.dataset.xx',
                'train_dataloader.dataset.pipeline.0.xx',
            )
        ),
        (
            dict(cfg_options={'model.detector.type': 'MaskRCN'}),
            ValueError,
            'MaskRCNN',
        ),
        (
            dict(cfg_options={'model.detector.roi_head.type': 'NoHead'}),
            ValueError,
            'model.detector.roi_head.type',
        ),
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
    path = tmp_path / 'other.pth'
    state = {
        'backbone.conv1.weight': torch.zeros(64, 3, 7, 7),
        'backbone.bn1.weight': torch.zeros(64),
    }
    torch.save(dict(state_dict=state), path)
    with pytest.raises(ValueError, match='--init .*other.pth.*--detector'):
        training(tmp_path, init=str(path)).check()


def test_a_start_of_the_config_that_is_not_there(tmp_path):
    start = dict(type='Pretrained', checkpoint='lost.pth', _delete_=True)
    options = {'model.detector.backbone.init_cfg': start}
    with pytest.raises(OSError, match=r'not given.*lost\.pth\. --init scr'):
        training(tmp_path, cfg_options=options).check()


def test_a_start_that_cannot_be_downloaded(tmp_path, monkeypatch):
    def refuse(address, path):
        raise OSError('no network')

    monkeypatch.setattr('torch.hub.download_url_to_file', refuse)
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    start = dict(
        type='Pretrained', checkpoint='https://x.org/a.pth', _delete_=True
    )
    options = {'model.detector.backbone.init_cfg': start}
    with pytest.raises(OSError, match='--init scratch') as error:
        training(tmp_path, cfg_options=options).check()
    assert '..' not in str(error.value)


def test_what_can_be_trained_passes_in_silence(tmp_path, capfd):
    # None leaves a default hook out.
    options = {'default_hooks.load_report': None}
    training(tmp_path, init='scratch', cfg_options=options).check()
    assert 'WARNING' not in ''.join(capfd.readouterr())


PLAN = Plan(
    detector='R18', batch_size=5, steps_per_epoch=20, epochs=4,
    precision='fp32', threads=1, images_per_s=10.0, view_size=128,
)  # fmt: skip


def planned(tmp_path, monkeypatch, done, **options):
    """A training that was planned for 4 epochs and has made some."""
    made = training(tmp_path, **options)
    made.folder.manifest = dict(
        plan=vars(PLAN), steps=dict(look={}, pretrain={}, export={})
    )
    monkeypatch.setattr(made, 'epochs_done', lambda: done)
    return made


@pytest.mark.parametrize(
    ('options', 'epochs'),
    # an epoch of 100 pictures takes 10 seconds
    [(dict(epochs=6), 6), (dict(time=75.0), 7)],
)
def test_another_length_is_applied(tmp_path, monkeypatch, options, epochs):
    made = planned(tmp_path, monkeypatch, done=4.0, **options)
    made.start = ''
    made.change_length()
    assert made.plan() == replace(PLAN, epochs=epochs)
    # ... and what was finished is not any more
    assert made.folder.manifest['steps'] == dict(look={})
    name, text = made._remarks(made.plan())[0]
    assert name == 'length' and f'epochs was 4, is {epochs}' in text


def test_the_same_length_changes_nothing(tmp_path, monkeypatch):
    made = planned(tmp_path, monkeypatch, done=4.0, time=49.0)
    made.change_length()
    assert made.folder.manifest['plan'] == vars(PLAN)
    assert 'pretrain' in made.folder.manifest['steps']
    assert made.change is None


def test_a_run_cannot_be_made_shorter_than_it_is(tmp_path, monkeypatch):
    made = planned(tmp_path, monkeypatch, done=2.5, epochs=2)
    with pytest.raises(FileExistsError, match='2.5 epochs already') as caught:
        made.change_length()
    assert 'another --out' in str(caught.value)
    assert made.folder.manifest['plan'] == vars(PLAN)
    planned(tmp_path, monkeypatch, done=2.5, epochs=3).change_length()


def test_the_epochs_of_a_checkpoint(tmp_path):
    made = training(tmp_path)
    assert made.epochs_done() == 0
    runner = small_runner(made.folder.checkpoints)  # 4 iterations an epoch
    at_iteration(runner, 5, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(StoppedError):
        runner.train()
    assert made.epochs_done() == 1.5


def test_the_epochs_of_a_checkpoint_of_an_earlier_release(tmp_path):
    made = training(tmp_path)
    made.folder.manifest = dict(plan=vars(PLAN))  # 20 iterations an epoch
    made.folder.checkpoints.mkdir(parents=True)
    torch.save(
        dict(state_dict=dict(weight=torch.ones(1)), meta=dict(iter=30)),
        made.folder.checkpoints / 'epoch_1.pth',
    )
    assert made.epochs_done() == 1.5


@pytest.fixture
def gpu(monkeypatch):
    """Let torch say that there is a GPU."""
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 1)
    monkeypatch.setattr(torch.cuda, 'get_device_name', lambda: 'H100')


def test_a_gpu_gets_the_large_detector(tmp_path, gpu):
    made = training(tmp_path)
    assert describe_detector(made.detector) == 'Mask R-CNN R50-FPN'
    views = made.config().train_dataloader.dataset.pipeline[0].views
    assert [view.size for view in views] == [224, 224, 112]
    # 43,200 epochs of 10 s are five days; the small one takes a 12th of it
    text = describe_other_detector(replace(PLAN, epochs=43200), 1, True)
    assert 'the default on a GPU' in text and 'about 10 hours' in text
    text = describe_plan(replace(PLAN, epochs=1), 1, True)
    assert text.startswith('1 x H100, fp32') and '1 epoch of 20' in text


def test_a_cpu_gets_the_small_detector(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    made = training(tmp_path)
    assert describe_detector(made.detector).startswith('Mask R-CNN R18-FPN')
    # 4,000 epochs of 10 s, twelve times as long
    text = describe_other_detector(replace(PLAN, epochs=4000), 1, False)
    assert 'the default on a CPU' in text and 'about 5.6 days' in text


@pytest.mark.parametrize('name', ['LARGE', 'SMALL'])
def test_the_other_choice_can_be_typed(name):
    typed = f'mmsoco::{getattr(module.configs, name)[1]}'
    detector = module.configs.load_detector(typed, is_large=False)
    own = module.configs.load_detector(None, is_large=name == 'LARGE')
    assert detector == own
