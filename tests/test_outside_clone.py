"""A training step by inherited configs, in a folder outside the clone."""

import re

import pytest
from mmengine.config import Config
from mmengine.runner import Runner as MMEngineRunner
from small_pictures import write_noise, write_store

from mmsoco.engine import Runner

# One batch of the two images, drawn in this process.
LOADER = dict(batch_size=2, num_workers=0, persistent_workers=False)
IMAGES = dict(image_root='images', proposals='images.arrow')
SMALL = dict(hid_channels=16, out_channels=16)
# Views of half the size, one step.
DEMO = (
    "_base_ = 'mmsoco::demo/soco_mask-rcnn_r18-fpn_1xb16-coslr-8e_custom.py'"
)
TINY = """
pipeline = _base_.train_dataloader.dataset.pipeline
for view in pipeline[0]['views']:
    view['size'] //= 2
train_dataloader = dict(**LOADER, dataset=dict(pipeline=pipeline, **IMAGES))
train_cfg = dict(max_epochs=1)
param_scheduler = dict(warmup=0)
"""
SIMSIAM = """
_base_ = 'mmselfsup::selfsup/simsiam/simsiam_resnet50_8xb32-coslr-100e_in1k.py'
norm_cfg = dict(type='BN1d')
model = dict(
    backbone=dict(depth=18, norm_cfg=dict(type='BN')),
    neck=dict(in_channels=512, norm_cfg=norm_cfg, **SMALL),
    head=dict(predictor=dict(in_channels=16, norm_cfg=norm_cfg, **SMALL)),
)
view = [dict(type='RandomResizedCrop', size=32, backend='pillow')]
train_dataloader = dict(
    **LOADER,
    dataset=dict(
        _delete_=True,
        type='mmcls.ImageNet',
        data_root='.',
        ann_file='images.txt',
        data_prefix='images/',
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='MultiView', num_views=2, transforms=[view]),
            dict(type='PackSelfSupInputs', meta_keys=['img_path']),
        ],
    ),
)
train_cfg = dict(max_epochs=1)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two images with proposals and labels; the current folder."""
    monkeypatch.chdir(tmp_path)
    names, bboxes = ('a.png', 'b.png'), [[0, 0, 90, 80], [30, 20, 70, 60]]
    write_noise(tmp_path / 'images', names)
    store = tmp_path / 'images.arrow'
    write_store(store, names, bboxes, image_root='images')
    (tmp_path / 'images.txt').write_text('a.png 0\nb.png 0\n')
    return tmp_path


def train(runner, text):
    """Train as a config file of this content says; give the runner."""
    names = dict(LOADER=LOADER, IMAGES=IMAGES, SMALL=SMALL)
    for name, value in names.items():
        text = re.sub(rf'\b{name}\b', repr(value), text)
    with open('config.py', 'w') as file:
        file.write(text)
    cfg = Config.fromfile('config.py')
    cfg.work_dir = 'work_dir'
    runner = runner.from_cfg(cfg)
    runner.train()
    return runner


@pytest.mark.parametrize('runner', [Runner, MMEngineRunner])
def test_inherited_recipe_trains(folder, runner):
    done = train(runner, DEMO + TINY)
    assert done.iter == 1
    assert done.message_hub.get_scalar('train/loss').current() < 0
    assert (folder / 'work_dir' / 'epoch_1.pth').is_file()


def test_whole_mmdet_config_is_a_detector(folder, repo_dir):
    """The example of configs/README.md, on the demo's smaller recipe."""
    readme = (repo_dir / 'configs' / 'README.md').read_text()
    [example] = re.findall(
        r'```python\n# my_retinanet.py\n(.*?)```', readme, re.DOTALL
    )
    base, own = example.split('\n', 1)
    assert Config.fromstring(base, '.py').model.type == 'SoCo'
    own = own.replace('_r101_', '_r18_')
    # mmdet's config would download its start.
    done = train(Runner, DEMO + own + "model['init'] = 'scratch'\n" + TINY)
    assert done.iter == 1
    assert len(done.model.encoder.backbone.layer1) == 2  # ResNet-18


@pytest.mark.parametrize('runner', [Runner, MMEngineRunner])
def test_whole_mmselfsup_config_trains(folder, runner):
    assert train(runner, SIMSIAM).iter == 1
