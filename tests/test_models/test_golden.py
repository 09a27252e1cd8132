"""Numbers of the published implementation, through our own converter.

Weights are made in the authors' layout from the names of their tensors,
renamed by mmsoco, and loaded into the full R50 models of the configs.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import tiny_models
import torch
import torch.nn.functional as F
from golden import inputs
from mmengine.config import Config

from mmsoco.checkpoints.reference import rename_reference
from mmsoco.models import SoCo
from mmsoco.structures import parse_pairs, roi_sets

TOLERANCE = 1e-4
NUM_IMAGES, NUM_BOXES = 3, 4
SMALL_VIEW = ('view3', 112)
FPN_VIEWS = [('view1', 224), ('view2', 224), SMALL_VIEW]
FPN_BOXES = ['boxes1_12', 'boxes2', 'boxes1_13', 'boxes3']
STAR_VIEWS = [*FPN_VIEWS[:2], ('star_view3', 192), ('star_view4', 112)]


def reference_state(folder: Path, model: str) -> dict:
    """The authors' state dict of ``'fpn'`` or ``'c4'``."""
    text = (folder / 'reference_state_dict_shapes.json').read_text()
    return {
        name: torch.as_tensor(inputs.weight(name, shape))
        for name, shape in json.loads(text)[model].items()
    }


def build(config: str, state: dict) -> SoCo:
    folder = tiny_models.CONFIGS / '_base_' / 'models'
    soco = Config.fromfile(folder / 'soco.py').soco.to_dict()
    del soco['type']
    detector = Config.fromfile(folder / config).model.to_dict()
    pairs = [(1, 2)] if 'c4' in config else [(1, 2), (1, 3)]
    model = SoCo(detector, pairs=pairs, **soco)
    model.load_state_dict(rename_reference(state, 'mmsoco'))
    return model.eval()


def batch(
    pairs: list,
    views: Sequence[tuple[str, int]],
    boxes: Sequence[str],
) -> dict:
    """The seeded views and boxes, boxes in the pixels of their view."""
    sets = roi_sets(parse_pairs(pairs))
    return dict(
        inputs=[
            torch.from_numpy(inputs.image(name, NUM_IMAGES, size))
            for name, size in views
        ],
        data_samples=dict(
            bboxes=[
                views[of.view - 1][1]
                * torch.from_numpy(inputs.boxes(name, NUM_IMAGES, NUM_BOXES))
                for of, name in zip(sets, boxes, strict=True)
            ]
        ),
    )


@torch.no_grad()
def loss_of(model: SoCo, data: dict) -> float:
    losses = model(**data, mode='loss')
    return sum(v.item() for k, v in losses.items() if k.startswith('loss'))


@pytest.fixture(scope='module')
def fpn(golden_dir) -> SoCo:
    state = reference_state(golden_dir, 'fpn')
    return build('mask-rcnn_r50-fpn.py', state)


@pytest.fixture(scope='module')
def fpn_batch() -> dict:
    return batch(tiny_models.PAIRS, FPN_VIEWS, FPN_BOXES)


@pytest.mark.parametrize('roi_levels', ['all', 'assigned'])
def test_fpn_loss(fpn, fpn_batch, golden, monkeypatch, roi_levels):
    for encoder in (fpn.encoder, fpn.target.encoder):
        monkeypatch.setattr(encoder, 'roi_levels', roi_levels)
    expected = golden['fpn']['loss']
    assert loss_of(fpn, fpn_batch) == pytest.approx(expected, abs=TOLERANCE)


@torch.no_grad()
def test_fpn_pyramid_levels_and_predictions(fpn, fpn_batch, golden):
    expected = golden['fpn']
    images = fpn_batch['inputs'][0]
    boxes = fpn_batch['data_samples']['bboxes'][0]
    [rois] = fpn.encoder.assign([boxes])
    assert rois.levels.view(3, 4).tolist() == expected['level_boxes1_12']
    pyramid = fpn.encoder(images)
    for level, feature in enumerate(pyramid[:4]):
        for name, value in (('mean', feature.mean()), ('std', feature.std())):
            assert value.item() == pytest.approx(
                expected[f'p_{name}'][level], abs=TOLERANCE
            )
    heads = [fpn.projector, fpn.predictor]
    [outputs] = fpn.encoder.embed(pyramid, [rois], heads)
    torch.testing.assert_close(
        F.normalize(outputs[2], dim=1)[:, :8],
        torch.tensor(expected['online_prediction_boxes1_12_first8']),
        rtol=0,
        atol=TOLERANCE,
    )


def test_star_loss(fpn, golden, monkeypatch):
    pairs = parse_pairs(tiny_models.STAR_PAIRS)
    monkeypatch.setattr(fpn, 'pairs', pairs)
    monkeypatch.setattr(fpn, 'roi_sets', roi_sets(pairs))
    data = batch(tiny_models.STAR_PAIRS, STAR_VIEWS, [*FPN_BOXES, 'boxes2'])
    expected = golden['fpn_star']['loss']
    assert loss_of(fpn, data) == pytest.approx(expected, abs=TOLERANCE)


def test_c4_loss(golden_dir, golden):
    state = reference_state(golden_dir, 'c4')
    model = build('mask-rcnn_r50-c4.py', state)
    data = batch([(1, 2)], FPN_VIEWS[:2], ['boxes1_12', 'boxes2'])
    expected = golden['c4']['loss']
    assert loss_of(model, data) == pytest.approx(expected, abs=TOLERANCE)
