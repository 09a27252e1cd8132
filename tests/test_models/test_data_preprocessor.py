import pickle

import numpy as np
import pytest
import tiny_models
import torch
from PIL import Image

from mmsoco.models.data_preprocessor import (
    SoCoDataPreprocessor,
    clear_rectangles,
)

MEAN = torch.tensor([123.675, 116.28, 103.53])
STD = torch.tensor([58.395, 57.12, 57.375])


def batch(cutout=None, size=12):
    generator = torch.Generator().manual_seed(0)
    views = [
        torch.randint(
            0, 256, (2, side, side, 3), dtype=torch.uint8, generator=generator
        )
        for side in (size, size // 2)
    ]
    nothing = torch.zeros(2, 0, 4)
    return dict(
        inputs=views,
        data_samples=dict(
            bboxes=[torch.ones(2, 4, 4)],
            cutout=[nothing, nothing if cutout is None else cutout],
            index=torch.arange(2),
        ),
    )


def test_views_are_normalised_and_the_rest_handed_on():
    data = batch()
    result = SoCoDataPreprocessor()(data)
    for view, expected in zip(result['inputs'], data['inputs'], strict=True):
        assert view.dtype == torch.float32
        for c in range(3):
            plain = (expected[..., c].double() - MEAN[c]) / STD[c]
            torch.testing.assert_close(view[:, c].double(), plain)
    assert result['data_samples']['index'].tolist() == [0, 1]
    assert data['inputs'][0].dtype == torch.uint8  # the caller's stays


def test_mean_and_std_are_options():
    result = SoCoDataPreprocessor(mean=[0, 0, 0], std=[255, 255, 255])(batch())
    assert 0 <= result['inputs'][0].min() <= result['inputs'][0].max() <= 1


def test_a_view_is_made_of_another_at_its_size():
    """Pillow's bilinear filter, over all pixels that a new one covers."""
    data = batch()
    large, small = data['inputs']
    rows = ([1, 12, 12], [1, 6, 4], [3, 6, 6])  # view 2 is view 1, smaller
    data['data_samples']['cutout'].append(torch.zeros(2, 0, 4))
    data['data_samples']['sources'] = [torch.tensor([row] * 2) for row in rows]

    first, made, last = SoCoDataPreprocessor()(data)['inputs']

    assert first.shape[2:] == large.shape[1:3]
    assert last.shape[2:] == small.shape[1:3]
    for picture, channels in zip(first, made, strict=True):
        for plane, found in zip(picture, channels, strict=True):
            expected = Image.fromarray(plane.numpy()).resize(
                (4, 6), Image.Resampling.BILINEAR
            )
            torch.testing.assert_close(
                found, torch.from_numpy(np.array(expected))
            )


def test_cutout_becomes_the_mean():
    squares = torch.tensor([[[1.0, 2, 4, 3]], [[0, 0, 0, 0]]])
    plain = SoCoDataPreprocessor()(batch())['inputs'][1]
    hidden = SoCoDataPreprocessor()(batch(squares))['inputs'][1]
    assert (hidden[0, :, 2, 1:4] == 0).all()
    changed = (hidden != plain).any(dim=1)
    assert changed[0].sum() == 3 and not changed[1].any()


def test_rectangles_cover_the_pixels_whose_centre_they_hold():
    generator = torch.Generator().manual_seed(1)
    corners = torch.rand(3, 5, 2, generator=generator) * 7
    sides = torch.rand(3, 5, 2, generator=generator) * 4
    rectangles = torch.cat([corners, corners + sides], dim=-1)
    view = clear_rectangles(torch.ones(3, 3, 8, 9), rectangles)
    for image, boxes in zip(view, rectangles.tolist(), strict=True):
        for row in range(8):
            for column in range(9):
                inside = any(
                    x1 <= column + 0.5 < x2 and y1 <= row + 0.5 < y2
                    for x1, y1, x2, y2 in boxes
                )
                assert (image[:, row, column] == 1 - inside).all()


def test_channels_last_changes_memory_not_values():
    plain = SoCoDataPreprocessor()(batch())['inputs'][0]
    last = SoCoDataPreprocessor(channels_last=True)(batch())['inputs'][0]
    assert last.is_contiguous(memory_format=torch.channels_last)
    assert plain.is_contiguous()
    torch.testing.assert_close(last, plain)


def test_compiled_as_part_of_the_model():
    graphs = []

    def backend(graph, _):
        graphs.append(graph)
        return graph.forward

    model = tiny_models.soco(
        tiny_models.mask_rcnn_fpn(),
        data_preprocessor=dict(
            type='SoCoDataPreprocessor', channels_last=True
        ),
    )
    model.compile_parts(backend=backend)
    squares = torch.tensor([[[1.0, 2, 4, 3]], [[0, 0, 0, 0]]])
    found = model.data_preprocessor(batch(squares))['inputs']
    assert len(graphs) == 2  # one for each size of view
    expected = SoCoDataPreprocessor()(batch(squares))['inputs']
    for view, plain in zip(found, expected, strict=True):
        assert view.is_contiguous(memory_format=torch.channels_last)
        assert view.equal(plain)


def test_constants_stay_out_of_checkpoints():
    preprocessor = SoCoDataPreprocessor()
    assert preprocessor.state_dict() == {}
    assert pickle.loads(pickle.dumps(preprocessor)).mean.shape == (3, 1, 1)


@pytest.mark.parametrize(
    'kwargs', [dict(mean=[0, 0]), dict(std=[1, 1]), dict(std=[1, 1, 0])]
)
def test_bad_statistics_are_refused(kwargs):
    with pytest.raises(ValueError, match='three values each, std positive'):
        SoCoDataPreprocessor(**kwargs)


def test_bgr_detectors_get_blue_first():
    """Pretraining gave RGB to a detector that fine-tunes on BGR."""
    view = torch.randint(0, 256, (2, 5, 4, 3), dtype=torch.uint8)
    preprocessor = SoCoDataPreprocessor(
        mean=(103.53, 116.28, 123.675), std=(1.0, 1.0, 1.0), bgr=True
    )
    batch = dict(
        inputs=[view], data_samples=dict(cutout=[torch.empty(2, 0, 4)])
    )
    [found] = preprocessor(batch)['inputs']
    blue = view[..., 2].float() - 103.53
    red = view[..., 0].float() - 123.675
    torch.testing.assert_close(found[:, 0], blue)
    torch.testing.assert_close(found[:, 2], red)
