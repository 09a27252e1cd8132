"""Operations counted by the tool against sums by hand."""

import importlib.util

import pytest
import tiny_models
from mmengine.config import Config

PIPELINE = [
    dict(type='DrawViews', views=[dict(size=64), dict(size=(64, 32))]),
]


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


def test_parts_equal_sums_by_hand(tool):
    flops = tool.count_flops(config(roi_levels='assigned'), 2)
    num_rois = 2 * 4  # per image: two sets of four boxes
    convs = 4 * 49 * 9 * 16 * 16
    head = convs + 16 * 49 * 32
    projector = 32 * 4096 + 4096 * 256
    for part, operations, networks in (
        ('RoI head', head, 2),
        ('projector', projector, 2),
        ('predictor', 256 * 4096 * 2, 1),
    ):
        expected = 2 * operations * num_rois * networks / 1e9
        assert flops[part] == pytest.approx(expected, rel=1e-6)
    parts = sum(value for name, value in flops.items() if name != 'total')
    assert flops['total'] == pytest.approx(parts)


def test_every_used_level_costs_more(tool):
    every = tool.count_flops(config(roi_levels='all'), 8)
    own = tool.count_flops(config(roi_levels='assigned'), 8)
    assert every['RoI head'] > own['RoI head']
    assert every['backbone'] == pytest.approx(own['backbone'])


def test_config_without_views_is_refused(tool):
    with pytest.raises(ValueError, match='draws no views'):
        tool.view_sizes(
            Config(dict(train_dataloader=dict(dataset=dict(pipeline=[]))))
        )
