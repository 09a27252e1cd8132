"""Epochs that follow from the number of images."""

import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from torch import nn

from mmsoco.engine import Runner
from mmsoco.engine.loops import epochs_for
from mmsoco.registry import DATASETS, MODELS

IMAGENET, COCO = 1281167, 118287 + 123403


@MODELS.register_module()
class OneNumber(BaseModel):
    """One parameter."""

    def __init__(self):
        super().__init__()
        self.number = nn.Parameter(torch.ones(1))

    def forward(self, inputs, mode):
        return dict(loss=self.number.square().sum())


@DATASETS.register_module()
class Zeros(torch.utils.data.Dataset):
    """A number of samples."""

    def __init__(self, length):
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return dict(inputs=torch.zeros(1))


@pytest.mark.parametrize(
    ('num_images', 'epochs'),
    [
        (IMAGENET, 100),
        (10 * IMAGENET, 100),  # no fewer
        (IMAGENET // 2, 200),  # half the images, twice the epochs
        (COCO, 400),  # no more; 530 without the limit
        (1, 400),
    ],
)
def test_epochs_of_the_custom_recipe(num_images, epochs):
    assert epochs_for(100 * IMAGENET, num_images, 100, 400) == epochs


def test_the_upper_limit_counts():
    """For a quick try: --cfg-options train_cfg.max_epochs=2."""
    assert epochs_for(1000, 10, min_epochs=100, max_epochs=2) == 2


def test_paper_counts_coco_alike():
    """The paper's 530 epochs of COCO are 100 of ImageNet."""
    assert epochs_for(100 * IMAGENET, COCO, 1, 1000) == 530


@pytest.mark.parametrize(('num_images', 'epochs'), [(8, 5), (4, 10)])
def test_custom_recipe_in_a_run(tmp_path, repo_dir, num_images, epochs):
    """Loop and warm-up of the config itself, at a smaller budget."""
    recipe = Config.fromfile(
        repo_dir
        / 'configs/soco'
        / 'soco_mask-rcnn_r50-fpn_1xb32-coslr-400e_custom.py'
    )
    recipe.train_cfg.update(num_samples=40, min_epochs=2, max_epochs=12)
    runner = Runner.from_cfg(
        dict(
            model=dict(type='OneNumber'),
            work_dir=str(tmp_path),
            train_dataloader=dict(
                batch_size=2,
                dataset=dict(type='Zeros', length=num_images),
                sampler=dict(type='DefaultSampler', shuffle=True),
            ),
            train_cfg=recipe.train_cfg,
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=8.0)),
            param_scheduler=recipe.param_scheduler,
            default_hooks=dict(checkpoint=None),
            default_scope='mmsoco',
            experiment_name=f'loops-{num_images}',
        )
    )
    runner.train()
    iters = epochs * num_images // 2
    assert (runner.epoch, runner.iter) == (epochs, iters)
    [scheduler] = runner.param_schedulers
    assert (scheduler.warmup, scheduler.end) == (iters // 10, iters)
