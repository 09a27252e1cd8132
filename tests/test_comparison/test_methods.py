"""Every way to pretrain: one step, and what it trained arrives by value."""

from pathlib import Path

import comparison_plans
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope

from mmsoco.checkpoints import io
from mmsoco.checkpoints.export import export_detector
from mmsoco.checkpoints.newest import find_checkpoint
from mmsoco.comparison import recipes, work
from mmsoco.comparison.plan import Plan
from mmsoco.comparison.plan_file import parse_plan
from mmsoco.registry import MODELS
from mmsoco.structures import InputConvention

BASELINES = sorted((comparison_plans.CONFIGS / 'baselines').glob('*.py'))
OWN = sorted((comparison_plans.CONFIGS / 'comparison' / 'starts').glob('*.py'))
VIEW = 64


def plan_of(root: Path, kind: str, config: Path) -> Plan:
    start = dict(name='start', kind=kind, config=str(config))
    scratch = dict(name='scratch', kind='scratch')
    content = comparison_plans.plan(root, starts=[scratch, start])
    return parse_plan(content, root / 'plan.py')


def one_step_config(plan: Plan, work_dir: Path):
    """The config of a start with small views and short queues."""
    start = plan.starts[1]
    cfg = recipes.pretraining_config(plan, start)
    cfg.train_dataloader.update(num_workers=0, persistent_workers=False)
    for step in cfg.train_dataloader.dataset.pipeline:
        for view in step.get('views', []):
            view['size'] = view['size'] * VIEW // 128
    if 'queue_len' in cfg.model:
        cfg.model.queue_len = 8
    recipes.complete_pretraining(
        cfg,
        image_root=plan.data.path('pictures'),
        proposals=None,
        epochs=1,
        seed=0,
        work_dir=work_dir,
    )
    return cfg


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    return comparison_plans.data_set(tmp_path_factory.mktemp('data'), train=4)


@pytest.fixture
def detector(request, root):
    """The plan's detector with random weights."""
    plan = plan_of(root, 'image-level', BASELINES[0])
    model = recipes.finetuning_config(plan).model
    with DefaultScope.overwrite_default_scope('mmsoco'):
        return MODELS.build(ConfigDict(model))


def check_arrival(trained: dict, path: Path, detector, part_names):
    """Load by name and compare with the trained tensors by value."""
    state = io.load(path)['state_dict']
    missing, unexpected = detector.load_state_dict(state, strict=False)
    assert not unexpected
    arrived = detector.state_dict()
    assert not [n for n in missing if n.startswith(part_names)]
    for name, tensor in trained.items():
        torch.testing.assert_close(arrived[name], tensor, rtol=0, atol=0)


@pytest.mark.parametrize('path', BASELINES, ids=lambda p: p.stem.split('_')[0])
def test_one_step_of_each_method_of_mmselfsup(path, root, tmp_path, detector):
    plan = plan_of(root, 'image-level', path)
    cfg = one_step_config(plan, tmp_path / 'run')
    runner = work.train(cfg, [])
    assert runner.iter == 1
    assert type(runner.model).__module__.startswith('mmselfsup.')
    backbone = runner.model.backbone
    assert type(backbone) is type(detector.backbone)
    source = find_checkpoint(tmp_path / 'run')
    work.export_backbone(source, tmp_path / 'detector.pth')
    # what the detector's own preprocessor gives, or loading would refuse it
    expected = InputConvention.of_detector(
        recipes.finetuning_config(plan).model
    )
    meta = io.load(tmp_path / 'detector.pth')['meta']
    assert expected.is_like(InputConvention(**meta['input']))
    trained = {f'backbone.{n}': t for n, t in backbone.state_dict().items()}
    assert trained
    check_arrival(trained, tmp_path / 'detector.pth', detector, 'backbone.')


@pytest.mark.parametrize('path', OWN[::2], ids=lambda p: p.stem)
def test_one_step_of_our_own_starts(path, root, tmp_path, detector):
    plan = plan_of(root, 'soco', path)
    cfg = one_step_config(plan, tmp_path / 'run')
    cfg.train_dataloader.dataset.proposals = None
    runner = work.train(cfg, [])
    encoder = runner.model.encoder
    export_detector(tmp_path / 'run', tmp_path / 'detector.pth')
    trained = encoder.state_dict()
    parts = ('backbone.', 'neck.', 'roi_head.bbox_head.shared')
    assert any(n.startswith('roi_head') for n in trained)
    check_arrival(trained, tmp_path / 'detector.pth', detector, parts)


def test_a_step_moves_the_backbone(root, tmp_path):
    plan = plan_of(root, 'image-level', comparison_plans.BYOL)
    cfg = one_step_config(plan, tmp_path / 'run')
    runner = work.RUNNERS.build(cfg)
    weight = runner.model.backbone.conv1.weight
    runner.register_hook(Remember(weight))
    runner.train()
    assert not torch.equal(weight, Remember.before)


class Remember(work.Hook):
    """Keeps a weight as it was before the first step."""

    before = None

    def __init__(self, weight) -> None:
        self.weight = weight

    def before_train(self, runner) -> None:
        Remember.before = self.weight.detach().clone()
