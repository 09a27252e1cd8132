"""Every config, made small: a training step, or a forward pass."""

import copy
import re
from pathlib import Path
from types import SimpleNamespace

import config_files
import pytest
import torch
from config_files import FINETUNING, PRETRAINING, read, shrink
from mmdet.testing import demo_mm_inputs
from mmengine.config import ConfigDict
from mmengine.dataset import default_collate
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from small_pictures import write_noise, write_store

from mmsoco.datasets.samplers import SampleKey
from mmsoco.models import detector_parts
from mmsoco.registry import DATASETS, MODELS


def distinct(paths, text_of):
    """One leaf of all that say the same."""
    leaves = {text_of(path): path for path in reversed(paths)}
    return pytest.mark.parametrize(
        'path', list(leaves.values())[::-1], ids=config_files.short
    )


def step_of(path):
    """What decides about a step of pretraining."""
    cfg = read(path)
    return f'{cfg.model}{cfg.train_dataloader.dataset.pipeline}'


def detector_of(path):
    return str(config_files.without_start(read(path).model))


@pytest.fixture(autouse=True)
def scope(request):
    """Names resolve as in a run."""
    DefaultScope.get_instance(request.node.name, scope_name='mmsoco')
    torch.manual_seed(0)


@pytest.fixture(scope='module')
def images(tmp_path_factory) -> SimpleNamespace:
    """Two images with proposals, in a folder and a store."""
    root: Path = tmp_path_factory.mktemp('images')
    names, store = ('a.png', 'b.png'), root.with_suffix('.arrow')
    boxes = [[0, 0, 90, 80], [30, 20, 70, 60], [5, 40, 115, 85]]
    write_noise(root, names)
    write_store(store, names, boxes, image_root=str(root))
    return SimpleNamespace(root=root, store=store)


@pytest.fixture
def narrow_trunk(monkeypatch):
    """The trunk of a detector without RoI head, with few channels."""
    few = dict(conv_out_channels=16, fc_out_channels=32)
    trunk = dict(detector_parts.HEADLESS_TRUNK, **few)
    monkeypatch.setattr(detector_parts, 'HEADLESS_TRUNK', trunk)


def small_soco(cfg):
    """The pretraining model of a config with few channels."""
    model = cfg.model.to_dict()
    model['detector'] = shrink(model['detector'])
    narrow = dict(hid_channels=32, out_channels=16)
    model['projector'].update(narrow)
    model['predictor'].update(narrow, in_channels=16)
    model['data_preprocessor'] = cfg.data_preprocessor
    built = MODELS.build(ConfigDict(model))
    built.init_weights()
    return built


def draw_batch(cfg, images, size=2):
    """A batch of the config's own pipeline, at views of half the size."""
    dataset = copy.deepcopy(cfg.train_dataloader.dataset)
    [draw] = [t for t in dataset.pipeline if t.type == 'DrawViews']
    for view in draw['views']:
        view['size'] //= 2
    dataset.image_root = str(images.root)
    if dataset.proposals:
        dataset.proposals = str(images.store)
    dataset = DATASETS.build(dataset)
    keys = [SampleKey(0, 0, index) for index in range(size)]
    return default_collate([dataset[key] for key in keys])


@distinct(PRETRAINING, step_of)
def test_pretraining_makes_a_step(path, images, narrow_trunk):
    cfg = read(path)
    model = small_soco(cfg).train()
    optimizer = build_optim_wrapper(
        model, copy.deepcopy(cfg.optim_wrapper)
    ).optimizer
    before = {n: p.clone() for n, p in model.named_parameters()}
    batch = model.data_preprocessor(draw_batch(cfg, images), training=True)
    loss, logged = model.parse_losses(model(**batch, mode='loss'))
    losses = [v for n, v in logged.items() if re.fullmatch(r'loss_\d+', n)]
    assert len(losses) == len(cfg.model.pairs)
    assert ('loss_rpn_cls' in logged) == ('soco-rpn' in path.stem)
    assert all(-4 <= value <= 4 for value in losses)
    loss.backward()
    for name, param in model.named_parameters():
        # distributed training stops at a parameter without gradient
        assert name.startswith('target.') or param.grad is not None, name
    optimizer.step()
    for name, param in model.named_parameters():
        assert torch.isfinite(param).all(), name
        if name.startswith('target.'):
            assert torch.equal(param, before[name])


@distinct(FINETUNING, detector_of)
def test_finetuning_makes_a_forward_pass(path):
    cfg = ConfigDict(config_files.without_start(read(path).model))
    model = MODELS.build(shrink(cfg)).train()
    head = (cfg.get('roi_head') or cfg).bbox_head
    head = head[0] if isinstance(head, list) else head
    batch = demo_mm_inputs(
        2,
        [[3, 64, 64]] * 2,
        num_items=[2, 2],
        num_classes=head.num_classes,
        with_mask=True,
    )
    batch = model.data_preprocessor(batch, training=True)
    losses, _ = model.parse_losses(model(**batch, mode='loss'))
    assert torch.isfinite(losses)
    losses.backward()
    build_optim_wrapper(model, copy.deepcopy(read(path).optim_wrapper))
    model.eval()
    results = model(**batch, mode='predict')
    assert len(results) == 2
    assert all('pred_instances' in result for result in results)
