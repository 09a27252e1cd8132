"""The dataset bases of the configs, and the ablations they allow."""

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import default_collate
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from mmsoco.datasets.samplers import SampleKey
from mmsoco.datasets.transforms import DrawViews
from mmsoco.models.data_preprocessor import SoCoDataPreprocessor
from mmsoco.registry import DATASETS
from mmsoco.structures import parse_pairs

# name: (sizes of the views, number of RoI sets, boxes cut out per view)
BASES = {
    'imagenet_soco': ([224, 224, 112], 4, [0, 0, 0]),
    'imagenet_soco_cutout': ([224, 224, 112], 4, [0, 4, 4]),
    'imagenet_soco_star': ([224, 224, 192, 112], 5, [0, 0, 0, 0]),
    'imagenet_soco_c4': ([224, 224], 2, [0, 4]),
    'imagenet_soco_random-boxes': ([224, 224, 112], 4, [0, 4, 4]),
    'imagenet_soco_no-v3': ([224, 224], 2, [0, 4]),
    'coco_soco': ([224, 224, 112], 4, [0, 0, 0]),
    'custom_soco': ([224, 224, 112], 4, [0, 0, 0]),
}
DRAW = 'train_dataloader.dataset.pipeline.0'


@pytest.fixture
def load(repo_dir, image_set):
    def load(name: str, options: dict | None = None) -> Config:
        path = repo_dir / f'configs/_base_/datasets/{name}.py'
        cfg = Config.fromfile(path)
        cfg.merge_from_dict(
            {
                'train_dataloader.dataset.image_root': str(image_set.root),
                'train_dataloader.dataset.proposals': str(image_set.store),
                **(options or {}),
            }
        )
        return cfg

    return load


def build(cfg):
    return DATASETS.build(cfg.train_dataloader.dataset)


@pytest.mark.parametrize('name', BASES)
def test_base_makes_its_views(load, name):
    sizes, num_sets, cutout = BASES[name]
    cfg = load(name)
    dataset = build(cfg)
    sample = dataset[0]
    data = sample['data_samples']
    # A view resized from another is made by the preprocessor.
    own = sizes[:3] if name.endswith('star') else sizes
    assert [x.shape for x in sample['inputs']] == [(s, s, 3) for s in own]
    assert [b.shape for b in data['bboxes']] == [(4, 4)] * num_sets
    assert [len(c) for c in data['cutout']] == cutout
    [draw_views] = [
        t for t in dataset.pipeline.transforms if isinstance(t, DrawViews)
    ]
    assert parse_pairs(cfg.pairs) == draw_views.pairs
    assert cfg.data_preprocessor.pop('type') == SoCoDataPreprocessor.__name__
    preprocessor = SoCoDataPreprocessor(**cfg.data_preprocessor)
    batch = preprocessor(default_collate([sample, dataset[1]]))
    shapes = [(2, 3, size, size) for size in sizes]
    assert [x.shape for x in batch['inputs']] == shapes


def test_c4_does_not_jitter_and_crops_from_six_tenths(load):
    first, second = (
        build(load('imagenet_soco_c4')).pipeline.transforms[0].views
    )
    assert first.jitter_prob == 0
    assert second.area == (0.6, 1.0)


@pytest.mark.parametrize('k', [1, 8, 16])
def test_ablation_number_of_proposals(load, k):
    dataset = build(load('imagenet_soco', {f'{DRAW}.num_proposals': k}))
    bboxes = dataset[0]['data_samples']['bboxes']
    assert {b.shape for b in bboxes} == {(k, 4)}


def test_ablation_no_jitter(load):
    options = {f'{DRAW}.views.0.jitter_prob': 0}
    first = build(load('imagenet_soco', options)).pipeline.transforms[0]
    assert first.views[0].jitter_prob == 0


def test_ablation_whole_image_only(load):
    """Image-level BYOL: no proposals, so the box is the whole image."""
    options = {
        'train_dataloader.dataset.proposals': None,
        f'{DRAW}.num_proposals': 1,
        f'{DRAW}.views.0.jitter_prob': 0,
    }
    sample = build(load('imagenet_soco', options))[0]
    sides = (224, 224, 224, 112)
    for bboxes, side in zip(
        sample['data_samples']['bboxes'], sides, strict=True
    ):
        assert bboxes.tolist() == [[0, 0, side, side]]


def test_ablation_random_boxes(load):
    options = {'train_dataloader.dataset.proposals': None}
    dataset = build(load('imagenet_soco_random-boxes', options))
    first = dataset[0]['data_samples']['bboxes'][1]
    assert len(first.unique(dim=0)) > 1


@pytest.mark.parametrize('workers', [0, 2])
def test_runner_builds_the_loader(load, workers):
    """The batch that the model gets, over the runner's own way to it."""
    cfg = load('imagenet_soco_cutout').train_dataloader
    cfg.update(batch_size=4, num_workers=workers, pin_memory=False)
    cfg.persistent_workers = workers > 0
    with DefaultScope.overwrite_default_scope('mmsoco'):
        loader = Runner.build_dataloader(cfg, seed=3)
        loader.sampler.set_epoch(2)
        [batch] = loader
    data = batch['data_samples']
    shapes = [(4, 224, 224, 3), (4, 224, 224, 3), (4, 112, 112, 3)]
    assert [x.shape for x in batch['inputs']] == shapes
    assert all(x.is_contiguous() for x in batch['inputs'])
    assert [b.shape for b in data['bboxes']] == [(4, 4, 4)] * 4
    assert [c.shape[1] for c in data['cutout']] == [0, 4, 4]
    # Each sample of the batch is the one that its key stands for.
    for i, index in enumerate(data['index'].tolist()):
        sample = loader.dataset[SampleKey(3, 2, index)]
        for view, same in zip(batch['inputs'], sample['inputs'], strict=True):
            assert torch.equal(view[i], same)
