"""The door to mmselfsup's tool for nearest neighbors."""

import importlib.util
import runpy
import sys

import pytest
import torch
from mmdet.models.backbones import ResNet


@pytest.fixture(scope='module')
def knn(repo_dir):
    path = repo_dir / 'tools/benchmarks/knn_imagenet.py'
    spec = importlib.util.spec_from_file_location('knn_imagenet', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def backbone():
    return {f'backbone.{k}': v for k, v in ResNet(50).state_dict().items()}


def save(state, path):
    torch.save(dict(state_dict=state, meta={}), path)
    return path


def test_hands_checked_weights_to_the_tool(
    knn, backbone, tmp_path, monkeypatch
):
    weights = save(backbone, tmp_path / 'backbone.pth')
    calls = []
    monkeypatch.setattr(sys, 'argv', ['knn'])
    monkeypatch.setattr(
        runpy,
        'run_path',
        lambda path, run_name: calls.append((path, sys.argv)),
    )
    knn.main([str(weights), '--num-knn', '20'])
    [(tool, args)] = calls
    assert tool.endswith('knn_imagenet/test_knn.py')
    assert args[1].endswith('resnet50_knn_in1k.py')
    assert args[2:4] == ['--checkpoint', str(weights)]
    assert args[-2:] == ['--num-knn', '20']


def test_refuses_weights_that_would_not_arrive(knn, backbone, tmp_path):
    """A whole detector: its FPN has no place in a classifier."""
    neck = {'neck.lateral_convs.0.conv.weight': torch.zeros(1)}
    weights = save({**backbone, **neck}, tmp_path / 'detector.pth')
    with pytest.raises(ValueError, match='neck.*did not.*--parts'):
        knn.main([str(weights)])


def test_refuses_missing_weights(knn, tmp_path):
    with pytest.raises(FileNotFoundError, match='there is no checkpoint'):
        knn.main([str(tmp_path / 'nothing.pth')])
