"""Operations counted by the tool against sums by hand."""

import importlib.util
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tiny_models
import torch
from mmengine.config import Config
from PIL import Image
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mmsoco.datasets.random_batch import random_batch
from mmsoco.models import ObjectEncoder
from mmsoco.proposals.store import ProposalRecord, ProposalStoreWriter
from mmsoco.registry import MODELS

PIPELINE = [
    dict(type='DrawViews', views=[dict(size=64), dict(size=(64, 32))]),
]
# Cells of P2 to P5 on a view of 64 pixels, channels of the backbone there.
LEVELS = [(16**2, 8), (8**2, 16), (4**2, 32), (2**2, 64)]


@pytest.fixture(scope='module')
def tool(repo_dir):
    path = repo_dir / 'tools' / 'analysis_tools' / 'get_flops.py'
    spec = importlib.util.spec_from_file_location('get_flops', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def config(**kwargs) -> Config:
    soco = Config.fromfile(tiny_models.CONFIGS / '_base_/models/soco.py').soco
    model = dict(**soco, detector=tiny_models.mask_rcnn_fpn(), pairs=[(1, 2)])
    dataset = dict(pipeline=PIPELINE)
    return Config(
        dict(
            model=dict(model, **kwargs),
            train_dataloader=dict(dataset=dataset),
        )
    )


def macs_by_shape(module: nn.Module, run: Callable[[], object]) -> dict:
    """Multiplications of each layer, from its weight and output's size."""
    macs = {}

    def note(layer: nn.Module, name: str, output: torch.Tensor) -> None:
        positions = output.numel() // layer.weight.shape[0]
        macs[name] = macs.get(name, 0) + positions * layer.weight.numel()

    for name, layer in module.named_modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            layer.register_forward_hook(
                lambda own, _, output, name=name: note(own, name, output)
            )
    run()
    return macs


def test_a_pretext_is_counted_apart(tool):
    """Of the RPN a convolution, scores and boxes of three anchors a cell."""
    plain = tool.count_flops(config(roi_levels='assigned'), 2)
    assert 'pretexts' not in plain
    pretexts = [dict(type='RPNPretext')]
    cfg = config(roi_levels='assigned', pretexts=pretexts)
    flops = tool.count_flops(cfg, 2)
    # P2 to P6 on views of 64 x 64 and 64 x 32 pixels
    cells = 256 + 64 + 16 + 4 + 1 + 128 + 32 + 8 + 2 + 1
    forward = 2 * cells * (9 * 16 * 16 + 16 * 3 * (1 + 4)) / 1e9
    assert flops['pretexts'] == pytest.approx(
        dict(forward=forward, backward=2 * forward, target=0)
    )
    for part in ('RoI head', 'projector', 'predictor'):
        assert flops[part] == pytest.approx(plain[part])


def test_heads_equal_sums_by_hand(tool):
    flops = tool.count_flops(config(roi_levels='assigned'), 2)
    num_rois = 2 * 4  # per image: two sets of four boxes
    convs = 4 * 49 * 9 * 16 * 16
    head = convs + 16 * 49 * 32
    projector = 32 * 4096 + 4096 * 256
    for part, operations, has_target in (
        ('RoI head', head, True),
        ('projector', projector, True),
        ('predictor', 256 * 4096 * 2, False),
    ):
        forward = 2 * operations * num_rois / 1e9
        # One product gives the gradient of the input, one of the weights.
        assert flops[part] == pytest.approx(
            dict(
                forward=forward,
                backward=2 * forward,
                target=forward * has_target,
            ),
            rel=1e-6,
        )


@pytest.mark.parametrize('name', ['mask_rcnn_fpn', 'mask_rcnn_c4'])
def test_backbone_equals_its_layers_shapes(tool, name):
    cfg = config(detector=tiny_models.DETECTORS[name]())
    flops = tool.count_flops(cfg, 2)['backbone']
    encoder = ObjectEncoder(cfg.model.detector.to_dict())
    views = random_batch([(1, 2)], tool.view_sizes(cfg), 1)['inputs']
    macs = macs_by_shape(encoder.backbone, lambda: [encoder(v) for v in views])
    forward = 2 * sum(macs.values()) / 1e9
    # Images need no gradient, so the first layer gives that of weights only.
    backward = 2 * forward - 2 * macs['conv1'] / 1e9
    assert flops == pytest.approx(
        dict(forward=forward, backward=backward, target=forward), rel=1e-6
    )


def test_backward_pass_of_the_neck_skips_maps_without_boxes(tool):
    """All boxes are below 48 pixels: P2. Others are tied on view 2."""
    flops = tool.count_flops(config(roi_levels='assigned'), 2)['neck']
    laterals = [cells * channels * 16 for cells, channels in LEVELS]
    outputs = [cells * 9 * 16 * 16 for cells, _ in LEVELS]
    first = sum(laterals) + sum(outputs)
    forward = 2 * (first + first / 2) / 1e9  # view 2 has half the pixels
    backward = 2 * 2 * (sum(laterals) + outputs[0] + first / 2) / 1e9
    assert flops == pytest.approx(
        dict(forward=forward, backward=backward, target=forward), rel=1e-6
    )


@pytest.mark.parametrize('roi_levels', ['all', 'assigned'])
def test_parts_add_up_to_the_step(tool, roi_levels):
    cfg = config(roi_levels=roi_levels)
    parts = tool.count_flops(cfg, 2)
    model = MODELS.build(cfg.model).train()
    batch = random_batch([(1, 2)], tool.view_sizes(cfg), 2)
    with FlopCounterMode(display=False) as counter:
        model(**batch, mode='loss')['loss_12'].backward()
    total = sum(sum(of_part.values()) for of_part in parts.values())
    # The log's gauge compares 8 objects with 8 by embeddings of 256 numbers.
    step = counter.get_total_flops() - 2 * 8 * 8 * 256
    assert total == pytest.approx(step / 2 / 1e9)


def test_every_used_level_costs_more(tool):
    every = tool.count_flops(config(roi_levels='all'), 8)
    own = tool.count_flops(config(roi_levels='assigned'), 8)
    assert every['RoI head']['target'] > own['RoI head']['target']
    assert every['backbone'] == pytest.approx(own['backbone'])


@pytest.fixture
def real_config(tmp_path: Path) -> Config:
    """Two images of 100 pixels with a box of 30 and one of 60 pixels."""
    names = ('a.png', 'b.png')
    for name in names:
        Image.new('RGB', (100, 100)).save(tmp_path / name)
    with ProposalStoreWriter(tmp_path / 'p.arrow') as writer:
        writer.write(
            ProposalRecord(name, 100, 100, np.array([[9, 9, 9 + s, 9 + s]]))
            for name, s in zip(names, (30, 60), strict=True)
        )
    cfg = config(roi_levels='assigned')
    views = [dict(type='WholeImageView', size=size) for size in (224, 112)]
    cfg.train_dataloader.dataset = dict(
        type='ProposalDataset',
        image_root=str(tmp_path),
        proposals=str(tmp_path / 'p.arrow'),
        pipeline=[
            dict(
                type='DrawViews', views=views, pairs=[(1, 2)], num_proposals=4
            ),
            dict(type='PackViews'),
        ],
    )
    return cfg


def test_real_boxes_say_which_levels_are_used(tool, real_config):
    """30 and 60 of 100 pixels are 67 and 134 of 224, half that of 112."""
    [(both, count)] = tool.real_levels(real_config, 2, 3).items()
    assert both == (((1, 2), ()), ((0, 1), (3, 4)))
    assert count == 3
    alone = tool.real_levels(real_config, 1, 4)
    assert alone == {
        (((1,), ()), ((0,), (2, 3, 4))): 2,
        (((2,), ()), ((1,), (0, 3, 4))): 2,
    }


def test_mean_weighs_the_levels_by_their_batches(tool, real_config):
    rare, often = tool.real_levels(real_config, 1, 2)
    parts = [tool.count_flops(real_config, 1, used) for used in (rare, often)]
    assert parts[0]['neck'] != parts[1]['neck']
    mean = tool.mean_flops(real_config, Counter({rare: 1, often: 3}))
    for name in tool.PASSES:
        first, second = (of['neck'][name] for of in parts)
        assert mean['neck'][name] == pytest.approx((first + 3 * second) / 4)


def test_config_without_views_is_refused(tool):
    with pytest.raises(ValueError, match='draws no views'):
        tool.view_sizes(
            Config(dict(train_dataloader=dict(dataset=dict(pipeline=[]))))
        )
