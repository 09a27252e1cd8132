"""Reads the imports of the package and holds them against the order of layers.

A package is a folder of `mmsoco/`, or a module next to the folders. It
may import from packages of lower layers and from itself. Imports inside of
functions count as those at the top of a module do.
"""

import ast
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from command import python

PACKAGE = Path(__file__).parents[1] / 'mmsoco'
# From the highest to the lowest. Packages of one layer do not know each other.
LAYERS = (
    ('__main__',),
    ('cli',),
    # `doctor` tries out one part of every package below.
    ('comparison', 'demo', 'doctor'),
    # Below the two above: its resumable steps carry them too.
    ('workflow',),
    ('evaluation', 'visualization'),
    # The engine's loops and `run_config` know samplers and data sets.
    ('engine', 'models'),
    ('datasets',),
    ('proposals', 'checkpoints'),
    ('structures', 'images', 'config', 'registry'),
    ('utils',),
    # The shims of `import mmsoco`, and the version. The package itself
    # (`from mmsoco import __version__`) holds no more than these.
    ('mmsoco',),
    ('compat',),
    ('version',),
)
HEAVY = {'torch', 'torchvision', 'mmengine', 'mmcv', 'mmdet', 'mmselfsup'}
# Packages and modules that run where no torch is, or where its import would be
# felt. A command imports what it needs after it has read its options.
LIGHT = (
    '__init__',
    '__main__',
    'cli',
    'compat',
    'config/__init__',
    'datasets/converters',
    'images',
    'proposals',
    'utils',
    'version',
)


def module_files() -> dict[str, Path]:
    """Return the files of the package by the names of their modules."""
    files = {}
    for path in sorted(PACKAGE.rglob('*.py')):
        parts = path.relative_to(PACKAGE.parent).with_suffix('').parts
        if '.mim' not in parts:
            name = '.'.join(parts).removesuffix('.__init__')
            files[name] = path
    return files


FILES = module_files()


def imported_names(
    node: ast.Import | ast.ImportFrom, module: str
) -> list[str]:
    """Return the full dotted names that an import statement asks for."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = node.module or ''
    if node.level:
        package = module.split('.')
        is_package = FILES[module].name == '__init__.py'
        above = node.level - is_package
        package = package[: len(package) - above]
        base = '.'.join([*package, *([base] if base else [])])
    return [f'{base}.{alias.name}' for alias in node.names]


def own_imports(module: str) -> set[str]:
    """Return the modules of the package that a module imports."""
    found = set()
    for node in ast.walk(ast.parse(FILES[module].read_text('utf-8'))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for name in imported_names(node, module):
                while name and name not in FILES:
                    name = name.rpartition('.')[0]
                found.add(name)
    return found - {'', module}


IMPORTS = {module: own_imports(module) for module in FILES}


def package(module: str) -> str:
    """Return the package of a module."""
    return module.split('.')[1] if '.' in module else module


def test_every_package_has_a_place_in_the_order():
    placed = [name for layer in LAYERS for name in layer]

    assert sorted(placed) == sorted({package(module) for module in FILES})


def test_no_import_runs_up_or_sideways():
    layer = {
        name: place for place, names in enumerate(LAYERS) for name in names
    }

    wrong = [
        f'{module} imports {other}'
        for module, others in IMPORTS.items()
        for other in others
        if package(module) != package(other)
        and layer[package(module)] >= layer[package(other)]
        and module != 'mmsoco'
    ]

    assert wrong == []


def test_the_package_itself_imports_only_the_lowest_packages():
    # What it offers lazily is named as text, see `mmsoco._OFFERED`.
    assert IMPORTS['mmsoco'] == {
        'mmsoco.compat',
        'mmsoco.utils.machine',
        'mmsoco.version',
    }


def test_no_circle_between_modules():
    try:
        order = list(TopologicalSorter(IMPORTS).static_order())
    except CycleError as error:
        pytest.fail(f'circle: {" <- ".join(error.args[1])}')
    assert set(order) == set(FILES)


def test_relative_imports_are_resolved():
    # The tests above see nothing if the reading of imports goes wrong.
    assert 'mmsoco.version' in IMPORTS['mmsoco']
    assert 'mmsoco.images.stamps' in IMPORTS['mmsoco.proposals.store']
    assert sum(map(len, IMPORTS.values())) > 200


def top_level_imports(module: str) -> set[str]:
    """Return the packages that the import of a module brings by itself.

    Those inside of functions, and those for type checkers alone, come later
    or never.
    """
    body = ast.parse(FILES[module].read_text('utf-8')).body
    return {
        name.partition('.')[0]
        for node in body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in imported_names(node, module)
    }


@pytest.mark.parametrize('place', LIGHT)
def test_light_packages_import_no_torch(place):
    modules = [
        name
        for name, path in FILES.items()
        if str(path.relative_to(PACKAGE).with_suffix('')).startswith(place)
    ]

    assert modules
    heavy = {
        name: sorted(found)
        for name in modules
        if (found := top_level_imports(name) & HEAVY)
    }
    assert heavy == {}


def test_utils_need_the_standard_library_only():
    others = {
        name: sorted(found)
        for name in FILES
        if package(name) == 'utils'
        and (
            found := top_level_imports(name)
            - set(sys.stdlib_module_names)
            - {'mmsoco'}
        )
    }

    assert others == {}


@pytest.mark.parametrize(
    ('modules', 'others'),
    [
        ('mmsoco; mmsoco.__dir__()', {'cv2', 'numpy'}),
        ('mmsoco.utils.files', {'cv2', 'numpy', 'pyarrow'}),
        ('mmsoco.utils.machine', {'cv2', 'numpy', 'pyarrow'}),
        ('mmsoco.proposals.convert', {'skimage'}),
        ('mmsoco.proposals.generation.generate', {'skimage'}),
    ],
)
def test_light_modules_load_nothing_heavy(modules, others):
    """Nor do the packages that they import, which the text does not tell."""
    heavy = HEAVY | others
    code = f'import {modules}; import sys; print({heavy} & set(sys.modules))'
    done = python('-c', code)
    assert done.stdout.strip() == 'set()', done.stderr
