"""What the package imports is declared in pyproject.toml, and no more.

The names of distributions are found by importlib.metadata, so that they are
not written down a second time.
"""

import ast
import functools
import importlib.metadata
import json
import sys
import tomllib
from pathlib import Path

import pytest
from command import python
from packaging.requirements import Requirement

from mmsoco.utils.extras import EXTRAS, require_extra

REPO = Path(__file__).resolve().parent.parent
# They come from one of two stacks, see requirements/.
STACK = {'mmengine', 'mmcv', 'mmdet', 'mmselfsup', 'mmcls'}
TOML = tomllib.loads((REPO / 'pyproject.toml').read_text())
PROJECT = TOML['project']
# Extras that modules of the package may import, after `require_extra`.
OPTIONAL = {
    module: name for name, modules in EXTRAS.items() for module in modules
}


def requirements(lines: list[str]) -> dict[str, Requirement]:
    """Return requirements by their canonical names."""
    parsed = [Requirement(line) for line in lines]
    return {each.name.lower().replace('_', '-'): each for each in parsed}


@functools.cache
def distributions() -> dict[str, set[str]]:
    """Return the canonical names of distributions by importable module."""
    found = importlib.metadata.packages_distributions()
    return {
        module: {name.lower().replace('_', '-') for name in names}
        for module, names in found.items()
    }


BUILD = requirements(TOML['build-system']['requires'])
CORE = requirements(PROJECT['dependencies'])
EXTRA = {
    name: requirements(lines)
    for name, lines in PROJECT['optional-dependencies'].items()
}


def statements(tree: ast.AST, depth: int = 0) -> list[tuple[ast.stmt, int]]:
    """Return the import statements and the depth of functions they lie in.

    Those for type checkers alone are left out.
    """
    found = []
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and 'TYPE_CHECKING' in ast.unparse(
            node.test
        ):
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            found.append((node, depth))
        inner = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        found += statements(node, depth + inner)
    return found


def others_imports(path: Path) -> set[tuple[str, int]]:
    """Return (module, depth) of what a file imports from other packages."""
    found = set()
    for node, depth in statements(ast.parse(path.read_text('utf-8'))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            names = [] if node.level else [node.module]
        found |= {(name.partition('.')[0], depth) for name in names}
    own = {path.stem for path in path.parent.glob('*.py')} | {'mmsoco'}
    return {
        (name, depth)
        for name, depth in found
        if name not in sys.stdlib_module_names and name not in own
    }


def package_files() -> list[Path]:
    return sorted((REPO / 'mmsoco').glob('[a-z_]*/**/*.py')) + sorted(
        (REPO / 'mmsoco').glob('*.py')
    )


@functools.cache
def package_imports() -> list[tuple[str, str, int]]:
    """Return (file, module, depth) of what the package imports of others."""
    return [
        (str(path.relative_to(REPO)), module, depth)
        for path in package_files()
        for module, depth in others_imports(path)
    ]


def is_declared(module: str, declared: dict) -> bool:
    return bool(distributions().get(module, {module}) & set(declared))


def test_the_package_imports_what_is_declared():
    undeclared = [
        (file, module)
        for file, module, _ in package_imports()
        if module not in STACK
        and module not in OPTIONAL
        and not is_declared(module, CORE)
    ]
    assert undeclared == []


def test_extras_are_imported_inside_of_functions_only():
    early = [
        (file, module)
        for file, module, depth in package_imports()
        if module in OPTIONAL and not depth
    ]
    assert early == []


def test_every_declared_package_is_used():
    imported = {
        name
        for _, module, _ in package_imports()
        for name in distributions().get(module, {module})
    }
    # A recipe names mmengine's TensorboardVisBackend, which imports it.
    runtime = REPO / 'configs' / '_base_' / 'default_runtime.py'
    if 'TensorboardVisBackend' in runtime.read_text():
        imported.add('tensorboard')
    assert set(CORE) <= imported
    assert {*EXTRA['demo'], *EXTRA['report']} <= imported


@pytest.mark.parametrize('name', EXTRAS)
def test_extras_are_those_of_the_project(name):
    declared = {
        distribution
        for module in EXTRAS[name]
        for distribution in distributions()[module]
    }
    assert declared == set(EXTRA[name])


@pytest.mark.parametrize('folder', ['docs', 'tests', 'tools'])
def test_scripts_import_what_is_declared(folder):
    # `make install` brings these.
    declared = {**CORE, **EXTRA['demo'], **EXTRA['report'], **EXTRA['dev']}
    declared |= BUILD
    if folder == 'docs':
        declared |= EXTRA['docs']
    # tests/test_compat.py and tests/test_site.py write them.
    helpers = {'strict_package', 'my_parts'}
    # tests/golden is a folder, and tests import modules of docs.
    for place in (folder, 'docs'):
        helpers |= {path.stem for path in (REPO / place).rglob('*')}
    undeclared = {
        (path.relative_to(REPO).as_posix(), module)
        for path in (REPO / folder).rglob('*.py')
        for module, _ in others_imports(path)
        if module not in STACK | helpers and not is_declared(module, declared)
    }
    assert undeclared == set()


def test_lowest_versions_are_the_bounds_of_the_project():
    declared = {**CORE, **EXTRA['demo'], **EXTRA['report']}
    lines = (REPO / 'requirements' / 'lowest.txt').read_text().splitlines()
    pinned = requirements([line for line in lines if line[:1] != '#'])
    assert {name: str(each.specifier) for name, each in pinned.items()} == {
        name: str(each.specifier).replace('>=', '==')
        for name, each in declared.items()
    }


def test_installed_versions_are_within_the_bounds():
    for name, requirement in CORE.items():
        version = importlib.metadata.version(name).split('+')[0]
        assert requirement.specifier.contains(version), name


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(EXTRAS, 'demo', ('json', 'no_such_module'))
    message = r'needs no_such_module, .*pip install "mmsoco\[demo\]"'
    with pytest.raises(ModuleNotFoundError, match=message):
        require_extra('demo')
    require_extra('report')


# Refuses what only extras bring to modules of mmsoco, and imports them all.
# torch and mmengine bring some of it along and may import it themselves.
IMPORT_ALL = """
import builtins, importlib, json, sys
modules, extras = json.loads(sys.argv[1])
true_import = builtins.__import__

def guarded(name, globals=None, locals=None, fromlist=(), level=0):
    importer = (globals or {}).get('__name__', '').partition('.')[0]
    if importer == 'mmsoco' and name.partition('.')[0] in extras and not level:
        raise ModuleNotFoundError(f'{name} is of an extra', name=name)
    return true_import(name, globals, locals, fromlist, level)

builtins.__import__ = guarded
for module in modules:
    importlib.import_module(module)
"""


@pytest.mark.slow
def test_every_module_is_imported_with_the_core_only():
    modules = []
    for path in package_files():
        parts = path.relative_to(REPO).with_suffix('').parts
        if parts[-1] != '__main__':
            modules.append('.'.join(parts).removesuffix('.__init__'))
    extras = set().union(*EXTRA.values())
    blocked = [
        module
        for module, names in distributions().items()
        if names & extras and not names & set(CORE)
    ]
    assert set(OPTIONAL) <= set(blocked)
    words = json.dumps([modules, blocked])
    done = python('-c', IMPORT_ALL, words, cwd=REPO)
    assert done.returncode == 0, done.stderr
