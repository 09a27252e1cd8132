"""Images of one and four channels and of 16 bits, from files to a detector."""

import copy

import cv2
import generator_helpers
import numpy as np
import pytest
import tiny_models
import torch
from mmengine.dataset import default_collate
from mmengine.runner.checkpoint import load_state_dict

from mmsoco.checkpoints import io
from mmsoco.checkpoints.export import export_detector
from mmsoco.checkpoints.load_report import compare
from mmsoco.checkpoints.warm_start import Start, load_start
from mmsoco.datasets.proposal_dataset import ProposalDataset
from mmsoco.models.data_preprocessor import SoCoDataPreprocessor
from mmsoco.models.object_encoder import ObjectEncoder

PIPELINE = [
    dict(
        type='DrawViews',
        views=[
            dict(type='WholeImageView', size=64),
            dict(type='RandomCropView', size=64),
            dict(type='RandomCropView', size=32),
        ],
        pairs=[(1, 2), (1, 3)],
    ),
    dict(type='PhotometricJitter'),
    dict(type='DrawCutout'),
    dict(type='PackViews'),
]
# As of fine-tuning configs for such images.
NORMALIZE = {1: dict(mean=[110.0], std=[60.0]),
             4: dict(mean=[120.0] * 3 + [90.0], std=[60.0] * 4)}  # fmt: skip


@pytest.fixture(params=[(1, 8), (1, 16), (4, 8), (4, 16)], ids=str)
def images(request, tmp_path):
    """Four images of colored cells; their proposals; channels and depth."""
    channels, depth = request.param
    rng = np.random.default_rng(0)
    root = tmp_path / 'images'
    root.mkdir()
    for i in range(4):
        cells = rng.integers(0, 2**depth, (3, 4, channels))
        pixels = cells.repeat(40, 0).repeat(40, 1)
        pixels = pixels.astype(np.uint8 if depth == 8 else np.uint16)
        assert cv2.imwrite(str(root / f'{i}.png'), pixels)
    job = generator_helpers.make_job(root, tmp_path / 'p.arrow')
    summary, _ = generator_helpers.run(job, workers=1)
    return root, summary.store, channels, depth


def detector_of(channels):
    cfg = tiny_models.mask_rcnn_fpn(in_channels=channels)
    cfg['data_preprocessor'].update(NORMALIZE[channels], bgr_to_rgb=False)
    return cfg


def test_from_pictures_to_a_detector(images, tmp_path):
    root, store, channels, depth = images
    assert sum(len(record.bboxes) for record in store) > 4
    dataset = ProposalDataset(
        root, store.path, PIPELINE, channels=channels, depth=depth
    )
    batch = default_collate([dataset[i] for i in range(4)])
    assert batch['inputs'][0].shape == (4, 64, 64, channels)
    wanted = torch.uint8 if depth == 8 else torch.float32
    assert batch['inputs'][0].dtype == wanted

    cfg = detector_of(channels)
    model = tiny_models.soco(
        cfg, data_preprocessor=dict(type='SoCoDataPreprocessor')
    ).train()
    assert model.input_convention.mean == tuple(NORMALIZE[channels]['mean'])
    data = model.data_preprocessor(batch, True)
    loss, _ = model.parse_losses(model(**data, mode='loss'))
    loss.backward()
    stem = model.encoder.backbone.conv1.weight
    assert stem.shape[1] == channels
    assert all(stem.grad[:, c].abs().sum() > 0 for c in range(channels))

    meta = dict(epoch=1, input=model.input_convention.to_meta())
    run = dict(state_dict=model.state_dict(), meta=meta)
    io.save_atomic(run, tmp_path / 'run.pth')
    export_detector(tmp_path / 'run.pth', tmp_path / 'detector.pth')
    state = io.load(tmp_path / 'detector.pth')['state_dict']
    plain = copy.deepcopy(cfg)
    if channels == 4:  # mmdet's preprocessor takes one or three values
        plain['data_preprocessor'].update(mean=[110.0], std=[60.0])
    detector = tiny_models.build_detector(plain)
    compare(state, detector.state_dict()).check()
    load_state_dict(detector, state)
    assert torch.equal(detector.backbone.conv1.weight, stem)
    # And back into a pretraining, which refuses weights of other images.
    again = ObjectEncoder(cfg, 'all', 24)
    start = Start(str(tmp_path / 'detector.pth'))
    load_start(again, start, model.input_convention)
    assert torch.equal(again.backbone.conv1.weight, stem)
    other = ObjectEncoder(tiny_models.mask_rcnn_fpn(), 'all', 24)
    with pytest.raises(ValueError, match='conv1|trained on'):
        load_start(other, start)


def test_depth_reaches_the_network(tmp_path):
    """A ramp of 1000 levels between two gray levels of 8 bits."""
    ramp = np.linspace(100 * 257, 101 * 257, 1000).astype(np.uint16)
    cv2.imwrite(str(tmp_path / 'a.png'), ramp.reshape(20, 50))
    levels = {}
    for depth in (8, 16):
        dataset = ProposalDataset(tmp_path, None, [], channels=1, depth=depth)
        levels[depth] = np.unique(dataset[0]['img'])
    assert len(levels[8]) <= 2
    assert len(levels[16]) == len(np.unique(ramp))
    np.testing.assert_allclose(levels[16] * 257, np.unique(ramp), rtol=1e-6)


def test_fourth_channel_stays_the_last_of_bgr():
    views = torch.arange(8, dtype=torch.uint8).reshape(1, 1, 2, 4)
    nothing = torch.zeros(1, 0, 4)
    data = dict(inputs=[views], data_samples=dict(cutout=[nothing]))
    preprocessor = SoCoDataPreprocessor([0] * 4, [1] * 4, bgr=True)
    [out] = preprocessor(data)['inputs']
    assert out[0, :, 0, 0].tolist() == [2, 1, 0, 3]


def test_channels_that_do_not_fit_are_named():
    views = torch.zeros(1, 8, 8, 1, dtype=torch.uint8)
    nothing = torch.zeros(1, 0, 4)
    data = dict(inputs=[views], data_samples=dict(cutout=[nothing]))
    with pytest.raises(
        ValueError, match='1 channels.*dataset.channels=3.*model.detector'
    ):
        SoCoDataPreprocessor()(data)
    with pytest.raises(ValueError, match='channels must be 1, 3 or 4'):
        ProposalDataset('x', None, [], channels=2)
