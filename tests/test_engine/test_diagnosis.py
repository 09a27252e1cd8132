"""Where numbers stop being finite, and the batch that shows it again."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import tiny_models
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import nn

from mmsoco.checkpoints.io import load
from mmsoco.engine.diagnosis import (
    first_not_finite,
    image_names,
    keep_batch,
    plain,
    replay,
)


class HandedOn(nn.Module):
    """Takes batches that need no preparation."""

    def forward(self, batch, training):
        """Hand the batch on."""
        return batch


@pytest.fixture(scope='module')
def model():
    model = tiny_models.soco(tiny_models.mask_rcnn_fpn())
    model.data_preprocessor = HandedOn()
    return model.train()


def overflow(value):
    """Makes the outputs of a layer overflow."""

    def multiply(module, inputs, output):
        return output * value

    return multiply


@pytest.mark.parametrize(
    'name', ['encoder.backbone.layer2.0.conv1', 'projector.fc0']
)
def test_names_the_first_layer(model, name):
    layer = model.get_submodule(name)
    handle = layer.register_forward_hook(overflow(math.inf))
    try:
        found = first_not_finite(model, tiny_models.batch())
    finally:
        handle.remove()
    assert found == f'{name} ({type(layer).__name__})'


def test_names_weights_and_images_and_nothing(model):
    batch = tiny_models.batch()
    assert 'the gradients alone' in first_not_finite(model, batch)
    batch['inputs'][1][0, 0, 0, 0] = math.nan
    assert 'images or boxes' in first_not_finite(model, batch)
    weight = model.encoder.backbone.conv1.weight
    kept = weight.detach().clone()
    with torch.no_grad():
        weight[0] = math.nan
        found = first_not_finite(model, tiny_models.batch())
        weight.copy_(kept)
    assert found == 'encoder.backbone.conv1.weight, a weight'


def test_finds_boxes_within_samples_of_detectors(model):
    sample = DetDataSample()
    sample.gt_instances = InstanceData(bboxes=torch.full((1, 4), math.nan))
    batch = tiny_models.batch()
    batch['data_samples']['of_detector'] = [sample]
    assert 'images or boxes' in first_not_finite(model, batch)


def test_a_kept_batch_can_be_run_again(model, tmp_path):
    path = tmp_path / 'kept.pt'
    batch = tiny_models.batch()
    batch['inputs'][0][0] = math.inf
    keep_batch(path, dict(batch=batch, state_dict=model.state_dict()))
    assert 'images or boxes' in replay(path, model)
    # The second of two processes leaves the weights to the first one.
    keep_batch(tmp_path / 'a_rank0.pt', dict(state_dict=model.state_dict()))
    keep_batch(tmp_path / 'a_rank1.pt', dict(batch=batch, state_dict={}))
    assert 'images or boxes' in replay(tmp_path / 'a_rank1.pt', model)


def test_batches_of_detectors_become_plain_values(tmp_path):
    sample = DetDataSample(metainfo=dict(img_path='a b.jpg', scale=(1, 2)))
    sample.gt_instances = InstanceData(bboxes=torch.ones(2, 4))
    batch = dict(inputs=[torch.zeros(3, 2, 2)], data_samples=[sample])
    keep_batch(tmp_path / 'kept.pt', batch)
    found = load(tmp_path / 'kept.pt')
    [kept] = found['data_samples']
    assert kept['img_path'] == 'a b.jpg'
    assert torch.equal(kept['gt_instances']['bboxes'], torch.ones(2, 4))
    assert image_names(batch, None) == ['a b.jpg']
    assert plain(np.array([1.5])).tolist() == [1.5]


def test_names_of_images():
    inner = SimpleNamespace(
        get_data_info=lambda index: dict(file_name=f'{index}.png')
    )
    batch = dict(data_samples=dict(index=torch.tensor([4, 2])))
    for dataset in (inner, SimpleNamespace(dataset=inner)):
        assert image_names(batch, dataset) == ['4.png', '2.png']
    assert image_names(batch, object()) == []
    assert image_names(dict(inputs=1), inner) == []
    # 2 may be the place in either of them
    joined = SimpleNamespace(
        datasets=[inner, inner], get_data_info=inner.get_data_info
    )
    assert image_names(batch, joined) == []
