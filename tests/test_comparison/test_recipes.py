"""Configs of cells: completed, hashed, written, and built without memory."""

from pathlib import Path

import comparison_plans
import pytest
from config_files import build_on_meta
from mmengine.config import Config

from mmsoco.checkpoints.export import detector_state
from mmsoco.checkpoints.load_report import compare
from mmsoco.comparison import recipes
from mmsoco.comparison.plan_file import parse_plan, read_plan

PLANS = comparison_plans.CONFIGS / 'comparison'


@pytest.mark.parametrize(
    'stem', ['bins', 'facemask', 'voc', 'mini-coco', 'rpn']
)
def test_every_start_of_a_plan_fits_its_detector(stem):
    plan = read_plan(PLANS / f'{stem}.py')
    cfg = recipes.finetuning_config(plan)
    recipes.set_classes(cfg.model, 3)
    detector = build_on_meta(cfg.model)
    head = detector.roi_head.bbox_head
    assert head.fc_cls.out_features == 4
    # full-size heads of one method stand for the others
    starts = [s for s in plan.starts if s.config][: 3 if stem == 'bins' else 9]
    for start in starts:
        model = build_on_meta(recipes.pretraining_config(plan, start).model)
        report = compare(exported(model, start.kind), detector.state_dict())
        offered = {k: p for k, p in report.parts.items() if p.is_offered}
        assert 'backbone' in offered
        assert ('neck' in offered) == (start.kind == 'soco')
        for part in offered.values():
            assert not part.left_out
            assert not part.mismatched
        assert not offered['backbone'].new


def exported(model, kind):
    state = model.state_dict()
    if kind == 'soco':
        return detector_state(state)
    return {n: t for n, t in state.items() if n.startswith('backbone.')}


def small_plan():
    return parse_plan(comparison_plans.plan(Path('data')), Path('plan.py'))


def completed(steps):
    cfg = recipes.finetuning_config(small_plan())
    recipes.complete_finetuning(
        cfg,
        classes=('disc', 'square'),
        train=(Path('a.json'), Path('a')),
        val=(Path('b.json'), Path('b')),
        steps=steps,
        seed=3,
        work_dir=Path('work'),
        load_from=None,
    )
    return cfg


def test_a_length_reaches_every_schedule():
    cfg = completed(100)
    assert cfg.train_cfg.max_iters == 100
    assert [s.end for s in cfg.param_scheduler] == [10, 100]
    assert cfg.randomness.seed == 3
    assert cfg.model.roi_head.bbox_head.num_classes == 2
    assert cfg.train_dataloader.dataset.ann_file == 'a.json'
    assert cfg.test_dataloader.dataset.data_prefix.img == 'b'


def test_decays_keep_their_place():
    plan = read_plan(PLANS / 'voc.py')
    cfg = recipes.finetuning_config(plan)
    recipes.set_steps(cfg, 9000)
    assert cfg.param_scheduler[1].milestones == [6000, 8000]
    assert cfg.param_scheduler[1].end == 9000


@pytest.mark.parametrize(
    ('key', 'message'),
    [
        ('optim_wraper.x', 'options optim_wraper.x: unknown key optim_wraper'),
        ('optim_wrapper.type.x', 'options optim_wrapper.type.x=1 does not'),
        ('optim_wrapper.paramwise_cfg.x', 'unknown key optim_wrapper.param'),
    ],
)
def test_options_that_fit_nothing_are_refused(key, message):
    content = comparison_plans.plan(Path('data'))
    content['starts'][1]['options'] = {key: 1}
    plan = parse_plan(content, Path('plan.py'))
    message = f"^plan.py: start 'soco': {message}"
    with pytest.raises(ValueError, match=message):
        recipes.pretraining_config(plan, plan.starts[1])


def test_a_run_by_epochs_is_refused():
    cfg = Config(dict(train_cfg=dict(type='EpochBasedTrainLoop')))
    with pytest.raises(ValueError, match='by iterations'):
        recipes.set_steps(cfg, 10)


def test_hash_sees_results_and_not_processes():
    plan = small_plan()
    first, second = (recipes.finetuning_config(plan) for _ in range(2))
    second.train_dataloader.num_workers = 7
    second.default_hooks.logger.interval = 1
    second.work_dir = 'elsewhere'
    assert recipes.config_hash(first) == recipes.config_hash(second)
    second.optim_wrapper.optimizer.lr *= 2
    assert recipes.config_hash(first) != recipes.config_hash(second)


def test_a_written_config_is_the_same(tmp_path):
    cfg = completed(100)
    recipes.write_config(cfg, tmp_path / 'config.py')
    again = Config.fromfile(tmp_path / 'config.py')
    for key, value in again.to_dict().items():
        assert value == cfg.to_dict()[key]
    assert recipes.config_hash(again) == recipes.config_hash(cfg)


def test_precision_of_a_plan():
    plan = read_plan(PLANS / 'voc.py')
    cfg = recipes.finetuning_config(plan)
    assert cfg.optim_wrapper.type == 'mmsoco.MixedPrecisionOptimWrapper'
    assert cfg.optim_wrapper.precision == 'bf16'


def test_kinds_that_are_mixed_up():
    content = comparison_plans.plan(Path('data'))
    content['starts'][1]['kind'] = 'image-level'
    plan = parse_plan(content, Path('plan.py'))
    with pytest.raises(ValueError, match="of kind 'image-level'"):
        recipes.pretraining_config(plan, plan.starts[1])
