"""Epochs that follow from the number of images."""

import pytest
from mmengine.config import Config
from small_runs import NamedPoints, small_runner

from mmsoco.engine.loops import epochs_for

IMAGENET, COCO = 1281167, 118287 + 123403


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
def test_custom_recipe_in_a_run(
    tmp_path, repo_dir, monkeypatch, num_images, epochs
):
    """Loop and warm-up of the config itself, at a smaller budget."""
    recipe = Config.fromfile(
        repo_dir
        / 'configs/soco'
        / 'soco_mask-rcnn_r50-fpn_1xb32-coslr-400e_custom.py'
    )
    recipe.train_cfg.update(num_samples=40, min_epochs=2, max_epochs=12)
    monkeypatch.setattr(NamedPoints, 'count', num_images)
    runner = small_runner(
        tmp_path,
        train_cfg=dict(recipe.train_cfg, _delete_=True),
        param_scheduler=recipe.param_scheduler,
        default_hooks=dict(checkpoint=None),
    )
    runner.train()
    iters = epochs * num_images // 2
    assert (runner.epoch, runner.iter) == (epochs, iters)
    [scheduler] = runner.param_schedulers
    assert (scheduler.warmup, scheduler.end) == (iters // 10, iters)
