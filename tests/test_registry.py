"""What a package that extends mmsoco finds in its registries."""

import ast
from pathlib import Path

import mmdet.registry
import pytest
from command import python
from mmengine.registry import DefaultScope

import mmsoco.registry
from mmsoco.utils import register_all_modules


@pytest.fixture
def scopes(monkeypatch):
    """Let a test set default scopes that end with it."""
    monkeypatch.setattr(DefaultScope, '_instance_dict', {})


def registered_names(repo_dir: Path) -> dict[str, set[str]]:
    """Read from the source which class is registered in which registry."""
    found = {}
    for path in (repo_dir / 'mmsoco').glob('[a-z]*/**/*.py'):
        for node in ast.walk(ast.parse(path.read_text('utf-8'))):
            if not isinstance(node, ast.ClassDef | ast.FunctionDef):
                continue
            for decorator in node.decorator_list:
                parts = ast.unparse(decorator).split('.')
                if parts[1:] and parts[1].startswith('register_module('):
                    found.setdefault(parts[0], set()).add(node.name)
    return found


def test_every_registry_of_mmdet_has_a_child():
    theirs = {
        name
        for name, value in vars(mmdet.registry).items()
        if name.isupper() and hasattr(value, 'register_module')
        if not name.startswith('MMENGINE_')
    }
    assert theirs == set(mmsoco.registry.__all__)
    for name in theirs:
        child = getattr(mmsoco.registry, name)
        assert child.scope == 'mmsoco'
        assert child.parent is getattr(mmdet.registry, name)


def test_metrics_and_task_utils_hand_names_on():
    metric = mmsoco.registry.METRICS.get('CocoMetric')
    assigner = mmsoco.registry.TASK_UTILS.get('MaxIoUAssigner')
    assert metric.__module__.startswith('mmdet.')
    assert assigner.__module__.startswith('mmdet.')


def test_an_extension_registers_a_metric_and_a_task_util(monkeypatch):
    for registry in (mmsoco.registry.METRICS, mmsoco.registry.TASK_UTILS):
        monkeypatch.setattr(registry, '_module_dict', {})

        @registry.register_module()
        class Mine:
            pass

        with DefaultScope.overwrite_default_scope('mmsoco'):
            assert isinstance(registry.build(dict(type='Mine')), Mine)


def test_everything_is_registered_at_once(repo_dir):
    names = registered_names(repo_dir)
    assert 'SoCo' in names['MODELS']
    # In its own process: this one has imported the packages already.
    code = (
        'import json, mmsoco.registry\n'
        'from mmsoco.utils import register_all_modules\n'
        'register_all_modules(init_default_scope=False)\n'
        'from mmengine.registry import DefaultScope\n'
        'assert DefaultScope.get_current_instance() is None\n'
        'print(json.dumps({name: sorted(\n'
        '    getattr(mmsoco.registry, name).module_dict)\n'
        '    for name in mmsoco.registry.__all__}))\n'
    )
    done = python('-c', code, cwd=repo_dir, check=True)
    found = ast.literal_eval(done.stdout.splitlines()[-1])
    for registry, classes in names.items():
        assert classes <= set(found[registry]), registry


def test_the_default_scope_is_set(scopes):
    register_all_modules()
    assert DefaultScope.get_current_instance().scope_name == 'mmsoco'
    register_all_modules()  # does not warn


def test_a_replaced_default_scope_is_warned_of(scopes):
    DefaultScope.get_instance('theirs', scope_name='mmdet')
    register_all_modules(init_default_scope=False)
    assert DefaultScope.get_current_instance().scope_name == 'mmdet'
    with pytest.warns(UserWarning, match="was 'mmdet' and is now 'mmsoco'"):
        register_all_modules()
    assert DefaultScope.get_current_instance().scope_name == 'mmsoco'
