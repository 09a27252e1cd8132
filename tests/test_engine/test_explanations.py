"""Errors of constructors name the config's key."""

import json

import pytest
from mmengine.config import Config

from mmsoco.engine.explanations import explain, explained_errors
from mmsoco.registry import DATASETS, HOOKS, MODELS, OPTIMIZERS


def message(registry, cfg, *path):
    """What is said when a part of a config is built."""
    part = cfg
    for key in path:
        part = part[key]
    with pytest.raises(ValueError) as caught, explained_errors(cfg):
        registry.build(part)
    return str(caught.value)


def test_unknown_argument_is_found_and_corrected():
    cfg = Config(
        dict(default_hooks=dict(alarm=dict(type='CollapseHook', intervall=3)))
    )
    text = message(HOOKS, cfg, 'default_hooks', 'alarm')
    assert text.startswith(
        'unknown key default_hooks.alarm.intervall; did you mean interval?'
    )
    assert 'CollapseHook takes ' in text


def test_unknown_argument_below_another_part():
    cfg = Config(
        dict(model=dict(neck=[dict(type='mmdet.FPN', in_channel=[1])]))
    )
    text = message(MODELS, cfg, 'model', 'neck', 0)
    assert 'model.neck.0.in_channel; did you mean in_channels?' in text


def test_a_data_set_without_images_names_its_filters(tmp_path):
    labels = dict(images=[dict(id=1, file_name='a', height=9, width=9)])
    labels |= dict(annotations=[], categories=[dict(id=1, name='a')])
    (tmp_path / 'a.json').write_text(json.dumps(labels))
    cfg = dict(
        type='mmdet.CocoDataset',
        ann_file=str(tmp_path / 'a.json'),
        data_prefix=dict(img=''),
        metainfo=dict(classes=('a',)),
        filter_cfg=dict(min_size=32),
    )
    cfg = Config(dict(train_dataloader=dict(dataset=cfg)))
    text = message(DATASETS, cfg, 'train_dataloader', 'dataset')
    assert text.startswith(
        'train_dataloader.dataset (CocoDataset) keeps none of its images: '
        'look at its filter_cfg'
    )


def test_unknown_type_is_found_and_corrected():
    cfg = Config(dict(model=dict(backbone=dict(type='ResNett'))))
    text = message(MODELS, cfg, 'model', 'backbone')
    assert "unknown type 'ResNett' in model.backbone.type" in text
    assert 'did you mean ResNet?' in text


def test_missing_argument_names_the_place():
    cfg = Config(dict(model=dict(backbone=dict(type='mmdet.ResNet'))))
    text = message(MODELS, cfg, 'model', 'backbone')
    assert text == "model.backbone (type mmdet.ResNet) lacks 'depth'" or (
        'model.backbone' in text and "'depth'" in text
    )


def test_missing_type_names_the_place():
    cfg = Config(dict(default_hooks=dict(chekpoint=dict(interval=3))))
    text = message(HOOKS, cfg, 'default_hooks', 'chekpoint')
    assert text.startswith('default_hooks.chekpoint has no type')


def test_untyped_part_suggests_its_neighbours():
    """A data loader's dict has no type."""
    cfg = Config(dict(train_dataloader=dict(batch_size=1, batchsize=2)))
    error = TypeError(
        "DataLoader.__init__() got an unexpected keyword argument 'batchsize'"
    )
    text = explain(error, cfg)
    assert text == (
        'unknown key train_dataloader.batchsize; did you mean batch_size?'
    )


@pytest.mark.parametrize(
    'error',
    [
        TypeError("unsupported operand type(s) for +: 'int' and 'str'"),
        TypeError("f() got an unexpected keyword argument 'elsewhere'"),
        KeyError('area'),
        KeyError(),
    ],
)
def test_other_errors_pass(error):
    cfg = Config(dict(optimizer=dict(type='LARS')))
    assert OPTIMIZERS.get('LARS') is not None
    with pytest.raises(type(error)) as caught, explained_errors(cfg):
        raise error
    assert caught.value is error
