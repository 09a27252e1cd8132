import numpy as np
import torch
from mmengine.dataset import default_collate

from mmsoco.datasets.transforms import PackViews
from mmsoco.datasets.transforms.formatting import view_pixels
from mmsoco.datasets.transforms.geometry import CropParams, resize_image
from mmsoco.structures import RoISet


def results(**more):
    rng = np.random.default_rng(0)
    view = rng.integers(0, 256, (16, 20, 3), np.uint8)
    return dict(
        views={1: view},
        crops=[
            CropParams(0, 0, 5, 5, size=(16, 20)),
            CropParams(0, 0, 5, 5, size=(8, 8)),
        ],
        originals=[1, 1],
        roi_sets=[RoISet(1, (1, 2))],
        view_bboxes=[np.ones((4, 4), np.float32)],
        index=3,
        **more,
    )


def test_views_become_tensors_as_they_lie():
    sample = results()
    packed = PackViews()(sample)
    [first] = packed['inputs']
    assert first.dtype == torch.uint8 and first.shape == (16, 20, 3)
    assert (first.numpy() == sample['views'][1]).all()
    assert (view_pixels(packed, 1) == sample['views'][1]).all()
    shrunk = resize_image(sample['views'][1], (8, 8))
    assert (view_pixels(packed, 2) == shrunk).all()


def test_samples_stack_to_a_batch():
    batch = default_collate([PackViews()(results()) for _ in range(3)])
    data = batch['data_samples']
    assert [x.shape for x in batch['inputs']] == [(3, 16, 20, 3)]
    assert [s[0].tolist() for s in data['sources']] == [[1, 16, 20], [1, 8, 8]]
    assert [b.shape for b in data['bboxes']] == [(3, 4, 4)]
    assert [c.shape for c in data['cutout']] == [(3, 0, 4), (3, 0, 4)]
    assert data['index'].tolist() == [3, 3, 3]
    assert data['index'].dtype == torch.int64
    assert data['roi_sets'] == ['1 of (1, 2)'] * 3


def test_cutout_is_handed_on():
    squares = [np.ones((4, 4), np.float32), np.zeros((4, 4), np.float32)]
    packed = PackViews()(results(cutout=squares))
    assert packed['data_samples']['cutout'][0].tolist() == [[1.0] * 4] * 4


def test_what_the_device_needs_to_change_colors():
    rows = {1: np.arange(11, dtype=np.float32)}
    batch = default_collate(
        [PackViews()(results(photometric=rows)) for _ in range(3)]
    )
    data = batch['data_samples']
    assert [p.shape for p in data['photometric']] == [(3, 11)]
