"""Every config: written once per key, loads, builds, and fits its partner."""

import ast

import config_files
import pytest
from config_files import (
    BENCHMARKS,
    FILES,
    FINETUNING,
    LEAVES,
    PRETRAINING,
    RECIPES,
    detector_on_meta,
    pretraining_on_meta,
    read,
    short,
)
from mmengine.registry import DefaultScope

from mmsoco.checkpoints.export import detector_state
from mmsoco.checkpoints.load_report import compare
from mmsoco.registry import HOOKS, LOOPS, MODELS, OPTIMIZERS, TRANSFORMS

DOCSTRING_FIELDS = {'paper', 'hardware', 'duration', 'reported', 'command'}
R50 = 'mask-rcnn_r50-{}_16xb128-coslr-{}'
SOCO = [p for p in LEAVES if p not in BENCHMARKS]


def each(paths):
    return pytest.mark.parametrize('path', paths, ids=short)


def leaf(stem):
    [path] = [p for p in LEAVES if p.stem == stem]
    return path


@pytest.fixture(autouse=True)
def scope(request):
    """Names resolve as in a run."""
    DefaultScope.get_instance(request.node.name, scope_name='mmsoco')


def keys_set_twice(tree):
    """Names assigned twice in one block, keys given twice in one dict."""
    found = []
    for node in ast.walk(tree):
        keys = []
        if isinstance(node, ast.Dict):
            keys = [ast.unparse(key) for key in node.keys if key is not None]
        elif isinstance(node, ast.Module):
            assigned = [n for n in node.body if isinstance(n, ast.Assign)]
            keys = [ast.unparse(t) for n in assigned for t in n.targets]
        found += [key for key in keys if keys.count(key) > 1]
    return found


def test_a_key_set_twice_is_found():
    assert keys_set_twice(ast.parse('a = 1\na = 2')) == ['a', 'a']
    assert keys_set_twice(ast.parse("a = {'b': 1, 'b': 2}"))


@each(FILES)
def test_sets_no_key_twice_and_explains_itself(path):
    tree = ast.parse(path.read_text())  # dict(a=1, a=2) is not valid syntax
    assert not keys_set_twice(tree)
    assert ast.get_docstring(tree)


@each(RECIPES)
def test_recipe_tells_how_to_run_it(path):
    fields = config_files.fields(path)
    assert set(fields) >= DOCSTRING_FIELDS
    # knn_imagenet.py finds its config itself
    assert path.name in fields['command'] or 'knn' in path.stem


@each(SOCO)
def test_names_that_it_uses_are_registered(path):
    cfg = read(path)
    for hook in cfg.default_hooks.values():
        assert HOOKS.get(hook.type), hook.type
    assert OPTIMIZERS.get(cfg.optim_wrapper.optimizer.type)
    assert LOOPS.get(cfg.train_cfg.type)
    dataset = cfg.train_dataloader.dataset
    while 'dataset' in dataset:  # repeated, or sampled by class
        dataset = dataset.dataset
    for step in dataset.pipeline:
        assert TRANSFORMS.get(step.type), step.type


@each(FINETUNING)
def test_finetuning_builds(path):
    model = detector_on_meta(path)
    assert all(p.requires_grad for p in model.parameters())


@each(PRETRAINING)
def test_pretraining_builds_and_updates_all_it_has(path):
    model = pretraining_on_meta(path)
    for name, param in model.named_parameters():
        assert param.requires_grad != name.startswith('target.')


def export_of(pretraining):
    """Where the docs put the export: named by algorithm and detector."""
    if 'demo' in pretraining.parts:
        return f'work_dirs/{pretraining.stem.split("_")[-1]}/detector.pth'
    return f'work_dirs/{"_".join(pretraining.stem.split("_")[:3])}.pth'


def pairs():
    """Pretraining leaves with the fine-tuning leaves of their weights."""
    for finetuning in FINETUNING:
        weights = read(finetuning).load_from
        for pretraining in PRETRAINING:
            if export_of(pretraining) == weights:
                yield pretraining, finetuning


PAIRS = [
    pytest.param(*pair, id=' > '.join(p.stem for p in pair))
    for pair in pairs()
]


def parts_of(path):
    """The parts that a kind of detector shares with its pretraining."""
    if 'c4' in path.stem:
        return {'backbone', 'shared_head'}
    if path.stem.startswith(('soco_retinanet', 'soco_fcos')):
        return {'backbone', 'neck'}
    rpn = {'rpn_head'} if path.stem.startswith('soco-rpn') else set()
    return {'backbone', 'neck', 'bbox_head'} | rpn


def has_no_pretext_task(name):
    dense_heads = ('rpn_head.', 'bbox_head.', 'roi_head.mask_head.')
    extra_norm = 'roi_head.shared_head.norm.'
    return name.startswith((*dense_heads, extra_norm)) or (
        name.split('.')[-2] in ('fc_cls', 'fc_reg')
    )


@pytest.mark.parametrize(('pretraining', 'finetuning'), PAIRS)
def test_every_pretrained_tensor_has_a_place(pretraining, finetuning):
    exported = detector_state(pretraining_on_meta(pretraining).state_dict())
    report = compare(exported, detector_on_meta(finetuning).state_dict())
    report.check()
    offered = {n for n, part in report.parts.items() if part.is_offered}
    assert offered == parts_of(pretraining)
    for part in report.parts.values():
        assert not part.left_out
        assert not part.mismatched
        assert all(map(has_no_pretext_task, part.new)), part.new


def test_every_finetuning_from_soco_has_its_pretraining():
    served = {finetuning for _, finetuning in pairs()}
    assert {p for p in FINETUNING if '_soco_' in p.stem} == served


def test_every_detector_has_its_finetuning():
    used = {pretraining for pretraining, _ in pairs()}
    assert {p for p in PRETRAINING if p.parent.name != 'ablations'} <= used


def twins(kind):
    """Leaves from scratch, with those from another start."""
    for path in FINETUNING:
        scratch = path.with_name(path.name.replace(f'_{kind}_', '_scratch_'))
        if f'_{kind}_' in path.name:
            yield pytest.param(scratch, path, id=short(path))


@pytest.mark.parametrize(('scratch', 'pretrained'), twins('soco'))
def test_twins_differ_by_the_start_alone(scratch, pretrained):
    without, with_weights = (dict(read(p)) for p in (scratch, pretrained))
    assert without.pop('load_from') is None
    assert with_weights.pop('load_from')
    assert without == with_weights


@pytest.mark.parametrize(('scratch', 'supervised'), twins('supervised'))
def test_supervised_twins_differ_by_init_cfg_alone(scratch, supervised):
    without, with_labels = (dict(read(p)) for p in (scratch, supervised))
    models = [c.pop('model') for c in (without, with_labels)]
    for name in read(config_files.CONFIGS / '_base_/supervised.py'):
        del with_labels[name]  # what the leaf chooses its start from
    assert without == with_labels
    assert models[0] != models[1]
    plain = [config_files.without_start(m) for m in models]
    assert plain[0] == plain[1]


@each([p for p in FINETUNING if '_scratch_' in p.stem])
def test_scratch_downloads_nothing(path):
    assert 'Pretrained' not in str(read(path).model)


def steps_of(cfg):
    return [step.type for step in cfg.train_dataloader.dataset.pipeline]


def test_published_recipe():
    """The numbers of the paper's section 4.1, as the code has them."""
    cfg = read(leaf('soco_' + R50.format('fpn', '100e_in1k')))
    optimizer = cfg.optim_wrapper.optimizer
    assert (optimizer.lr, optimizer.weight_decay) == (1.0, 1e-5)
    assert cfg.auto_scale_lr == dict(enable=True, base_batch_size=256)
    assert cfg.param_scheduler.warmup == 10
    assert cfg.train_cfg.max_epochs == 100
    assert cfg.train_dataloader.batch_size * 16 == 2048
    assert cfg.default_hooks.target_update.base_momentum == 0.99


@pytest.mark.parametrize(
    ('method', 'detector', 'run', 'cutout', 'views'),
    [
        ('soco', 'fpn', '100e_in1k', True, [224, 224, 112]),
        ('soco', 'fpn', '400e_in1k', False, [224, 224, 112]),
        ('soco-star', 'fpn', '400e_in1k', False, [224, 224, 192, 112]),
        ('soco', 'c4', '100e_in1k', True, [224, 224]),
        ('soco', 'c4', '400e_in1k', True, [224, 224]),
        ('soco', 'fpn', '100e_coco', False, [224, 224, 112]),
        ('soco', 'fpn', '530e_coco', False, [224, 224, 112]),
    ],
)
def test_recipes_of_the_paper(method, detector, run, cutout, views):
    cfg = read(leaf(f'{method}_{R50.format(detector, run)}'))
    assert cfg.train_cfg.max_epochs == int(run.partition('e')[0])
    assert ('DrawCutout' in steps_of(cfg)) == cutout
    [draw] = [
        step
        for step in cfg.train_dataloader.dataset.pipeline
        if step.type == 'DrawViews'
    ]
    assert [view['size'] for view in draw['views']] == views
    assert draw.num_proposals == 4
    assert draw.pairs == cfg.model.pairs


@pytest.mark.parametrize(
    ('stem', 'iters', 'decays'),
    [
        ('mask-rcnn_r50-fpn_soco_8xb2-soco-1x_coco', 90, [60, 80]),
        ('mask-rcnn_r50-c4_soco_8xb2-soco-2x_coco', 180, [120, 160]),
        ('mask-rcnn_r50-fpn_soco_8xb2-soco-180k_lvis-v1', 180, [120, 160]),
        ('faster-rcnn_r50-c4_soco_8xb2-soco-24k_voc0712', 24, [18, 22]),
        ('mask-rcnn_r50-fpn_soco_8xb2-soco-18k_coco-10pct', 18, [12, 16]),
    ],
)
def test_finetuning_schedules(stem, iters, decays):
    cfg = read(leaf(stem))
    schedule = cfg.param_scheduler[1]
    assert cfg.train_cfg.max_iters == schedule.end == 1000 * iters
    assert schedule.milestones == [1000 * step for step in decays]
    assert cfg.optim_wrapper.optimizer.lr == 0.02
    assert cfg.default_hooks.precise_bn.type == 'PreciseBNHook'


@each(BENCHMARKS)
def test_benchmark_builds(path):
    cfg = read(path)
    used = [(HOOKS, hook) for hook in cfg.default_hooks.values()]
    if 'train_cfg' in cfg:
        used.append((LOOPS, cfg.train_cfg))
        used.append((OPTIMIZERS, cfg.optim_wrapper.optimizer))
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        for registry, part in used:
            scope = part.get('_scope_')
            with registry.switch_scope_and_registry(scope) as registry:
                assert registry.get(part.type), part
        with config_files.on_meta():
            model = MODELS.build(dict(cfg.model, _scope_=cfg.default_scope))
    assert {'backbone.conv1.weight', 'backbone.layer4.2.bn3.bias'} <= set(
        model.state_dict()
    )
