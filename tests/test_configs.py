"""Every config: written once per key, loads, and builds."""

import ast
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

from mmsoco.checkpoints.load_report import compare
from mmsoco.registry import HOOKS, MODELS, OPTIMIZERS, TRANSFORMS

CONFIGS = Path(__file__).resolve().parent.parent / 'configs'
FILES = sorted(CONFIGS.rglob('*.py'))
# A leaf says how to run it; all others are bases.
LEAVES = [p for p in FILES if 'command:' in p.read_text()]
PRETRAINING = [p for p in LEAVES if p.stem.startswith('soco_')]
FINETUNING = [p for p in LEAVES if p not in PRETRAINING]
RECIPES = [p for p in FILES if p.parent.name in ('soco', 'finetune')]
DOCSTRING_FIELDS = ('paper', 'hardware', 'duration', 'reported', 'command')


def short(path):
    return str(path.relative_to(CONFIGS))


def each(paths):
    return pytest.mark.parametrize('path', paths, ids=short)


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
    tree = ast.parse(path.read_text())  # dict(a=1, a=2) is no valid syntax
    assert not keys_set_twice(tree)
    assert ast.get_docstring(tree)


@each(RECIPES)
def test_recipe_tells_how_to_run_it(path):
    fields = {
        line.split(':')[0]
        for line in ast.get_docstring(ast.parse(path.read_text())).split('\n')
        if ':' in line
    }
    assert fields >= set(DOCSTRING_FIELDS)


@each(LEAVES)
def test_names_that_it_uses_are_registered(path):
    cfg = Config.fromfile(path)
    for hook in cfg.default_hooks.values():
        assert HOOKS.get(hook.type), hook.type
    assert OPTIMIZERS.get(cfg.optim_wrapper.optimizer.type)
    for step in cfg.train_dataloader.dataset.pipeline:
        assert TRANSFORMS.get(step.type), step.type


def build_without_memory(model):
    """Builds on torch's meta device: shapes, but no numbers."""
    with torch.device('meta'):
        return MODELS.build(model)


@each(FINETUNING)
def test_finetuning_builds(path):
    model = build_without_memory(Config.fromfile(path).model)
    assert all(p.requires_grad for p in model.parameters())


@each(PRETRAINING)
def test_pretraining_builds_and_updates_all_it_has(path):
    model = build_without_memory(Config.fromfile(path).model)
    for name, param in model.named_parameters():
        assert param.requires_grad != name.startswith('target.')


PAIRS = [
    (
        'soco/soco_mask-rcnn_r50-fpn_16xb128-coslr-100e_in1k.py',
        f'finetune/{name}_coco.py',
    )
    for name in (
        'mask-rcnn_r50-fpn_soco_8xb2-soco-1x',
        'mask-rcnn_r50-fpn_soco_8xb2-1x',
    )
] + [
    (
        'soco/soco_mask-rcnn_r50-fpn_custom.py',
        f'finetune/{name}_r50-fpn_soco_8xb2-1x_custom.py',
    )
    for name in ('mask-rcnn', 'faster-rcnn')
]


@pytest.mark.parametrize(('pretraining', 'finetuning'), PAIRS)
def test_every_pretrained_tensor_has_a_place(pretraining, finetuning):
    source, target = (
        build_without_memory(Config.fromfile(CONFIGS / name).model)
        for name in (pretraining, finetuning)
    )
    encoder = source.encoder.state_dict()
    report = compare(encoder, target.state_dict())
    report.check()
    assert {n for n, part in report.parts.items() if part.is_offered} == {
        'backbone',
        'neck',
        'bbox_head',
    }
    # What stays new is what has no pretext task.
    new = {key for part in report.parts.values() for key in part.new}
    for key in new:
        assert key.startswith(
            (
                'rpn_head.',
                'roi_head.mask_head.',
                'roi_head.bbox_head.fc_cls.',
                'roi_head.bbox_head.fc_reg.',
            )
        )


def twins():
    """Fine-tuning leaves from SoCo's weights, with those from scratch."""
    for path in FINETUNING:
        scratch = path.with_name(path.name.replace('_soco_', '_scratch_', 1))
        if scratch in FINETUNING and scratch != path:
            yield scratch, path


@pytest.mark.parametrize(
    ('scratch', 'pretrained'),
    [pytest.param(*t, id=short(t[1])) for t in twins()],
)
def test_twins_differ_by_the_start_alone(scratch, pretrained):
    without, with_weights = map(Config.fromfile, (scratch, pretrained))
    assert without.load_from is None
    assert with_weights.pop('load_from')
    without.pop('load_from')
    assert without.to_dict() == with_weights.to_dict()


def test_published_recipe():
    """The numbers of the paper's section 4.1, as the code has them."""
    cfg = Config.fromfile(
        CONFIGS / 'soco/soco_mask-rcnn_r50-fpn_16xb128-coslr-100e_in1k.py'
    )
    optimizer = cfg.optim_wrapper.optimizer
    assert (optimizer.lr, optimizer.weight_decay) == (1.0, 1e-5)
    assert cfg.auto_scale_lr == dict(enable=True, base_batch_size=256)
    assert cfg.param_scheduler.warmup == 10
    assert cfg.train_cfg.max_epochs == 100
    assert cfg.train_dataloader.batch_size * 16 == 2048
    assert cfg.default_hooks.target_update.base_momentum == 0.99
    longer = Config.fromfile(
        CONFIGS / 'soco/soco_mask-rcnn_r50-fpn_16xb128-coslr-400e_in1k.py'
    )
    assert longer.train_cfg.max_epochs == 400
    kinds = [
        {step.type for step in c.train_dataloader.dataset.pipeline}
        for c in (cfg, longer)
    ]
    assert kinds[0] - kinds[1] == {'DrawCutout'}
