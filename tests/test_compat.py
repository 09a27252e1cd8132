"""The shims act when a package is imported, and only then."""

import sys
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from command import python

from mmsoco import compat


@pytest.fixture
def strict_package(tmp_path, monkeypatch):
    """A package that refuses the true state of a setting at import."""
    (tmp_path / 'strict_package.py').write_text(
        'import os\n'
        'if os.environ["SHIM_STATE"] != "accepted":\n'
        '    raise AssertionError(os.environ["SHIM_STATE"])\n'
        'VALUE = 7\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv('SHIM_STATE', 'true')
    yield monkeypatch
    sys.modules.pop('strict_package', None)


def test_shim_holds_during_the_import_only(strict_package):
    @contextmanager
    def shim():
        strict_package.setenv('SHIM_STATE', 'accepted')
        yield
        strict_package.setenv('SHIM_STATE', 'true')

    strict_package.setitem(compat.SHIMS, 'strict_package', shim)

    import os

    import strict_package as module

    assert module.VALUE == 7
    assert os.environ['SHIM_STATE'] == 'true'


def test_package_without_shim_is_left_alone(strict_package):
    with pytest.raises(AssertionError, match='true'):
        import strict_package  # noqa: F401


def test_install_shims_twice_puts_one_finder():
    compat.install_shims()
    compat.install_shims()

    finders = [f for f in sys.meta_path if isinstance(f, compat.ShimFinder)]
    assert len(finders) == 1


def errors_of(code):
    """Run code in a fresh process; return its traceback, if it fails."""
    done = python('-c', code)
    return done.stderr if done.returncode else ''


def test_mmselfsup_and_torchvision_import_beside_this_mmcv():
    import mmcv
    import mmselfsup
    import torchvision

    assert mmselfsup.__version__ == '1.0.0'
    assert torchvision.__version__
    assert mmcv.__version__ != compat.ACCEPTED_MMCV


@pytest.mark.parametrize('first', ['mmsoco', 'mmengine.config'])
def test_configs_are_inherited_in_any_order_of_imports(first):
    code = (
        f'import {first}\n'
        'import mmsoco\n'
        'from mmengine.hub import get_config\n'
        "cfg = get_config('mmsoco::_base_/models/soco.py')\n"
        "assert cfg.soco.type == 'SoCo', cfg"
    )
    assert errors_of(code) == ''


def test_missing_package_is_named_with_the_remedy():
    with pytest.raises(ImportError, match='no_such_package.*make install'):
        compat.require('no_such_package')


def test_untested_version_warns(monkeypatch):
    monkeypatch.setitem(compat.TESTED_VERSIONS, 'mmengine', ('0.1', '0.2'))
    with pytest.warns(UserWarning, match='mmengine .* was not tested'):
        compat.warn_untested()


def test_absent_module_is_empty_and_others_stay_absent():
    import mmselfsup.engine.runner as empty

    assert empty.__name__ == 'mmselfsup.engine.runner'
    assert not [name for name in vars(empty) if not name.startswith('__')]
    with pytest.raises(ModuleNotFoundError):
        import mmselfsup.engine.no_such_module  # noqa: F401


def fake_runner_module():
    """A module with a runner that shows which loader it builds."""

    class Runner:
        @staticmethod
        def build_dataloader(dataloader, seed=None):
            return dataloader, seed

    return SimpleNamespace(Runner=Runner)


def test_scope_of_collate_fn_is_dropped_once_and_the_config_kept():
    module = fake_runner_module()
    compat.drop_scope_of_collate_fn(module)
    build = module.Runner.build_dataloader
    compat.drop_scope_of_collate_fn(module)
    assert module.Runner.build_dataloader is build
    cfg = dict(collate_fn=dict(type='f', _scope_='mmsoco'), batch_size=2)
    loader, seed = build(cfg, seed=3)
    assert loader == dict(collate_fn=dict(type='f'), batch_size=2)
    assert seed == 3
    assert cfg['collate_fn']['_scope_'] == 'mmsoco'


@pytest.mark.parametrize('loader', [dict(batch_size=2), 'a loader'])
def test_other_loaders_are_built_as_they_are(loader):
    module = fake_runner_module()
    compat.drop_scope_of_collate_fn(module)
    assert module.Runner.build_dataloader(loader)[0] is loader


def test_modules_that_are_imported_already_are_patched(monkeypatch):
    patched = []
    module = SimpleNamespace()
    monkeypatch.setitem(sys.modules, 'imported_before', module)
    monkeypatch.setitem(compat.PATCHES, 'imported_before', patched.append)
    compat.install_shims()
    assert patched == [module]
