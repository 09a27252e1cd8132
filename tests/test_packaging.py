"""What a wheel holds: configs and tools where mim and mmengine look."""

import configparser
import shutil
import subprocess
import sys
import zipfile

import pytest

SOURCES = ('LICENSE', 'README.md', 'model-index.yml', 'pyproject.toml')
SOURCES += ('setup.cfg', 'configs', 'mmsoco', 'tools')


def shipped(repo):
    """The files that configs and tools must bring along."""
    for folder, endings in (
        ('configs', ('.py', '.yml', '.md')),
        ('tools', ('.py', '.sh')),
    ):
        for path in sorted((repo / folder).rglob('*')):
            if path.suffix in endings:
                yield str(path.relative_to(repo))
    yield 'model-index.yml'


def test_links_lead_to_the_repository(repo_dir):
    for name in ('configs', 'tools', 'model-index.yml'):
        link = repo_dir / 'mmsoco' / '.mim' / name
        assert link.resolve() == repo_dir / name


def test_package_data_names_every_file(repo_dir):
    parser = configparser.ConfigParser()
    parser.read(repo_dir / 'setup.cfg')
    patterns = parser['options.package_data']['mmsoco'].split('\n')
    patterns = [p for p in patterns if p and not p.startswith('#')]
    package = repo_dir / 'mmsoco'
    found = set()
    for pattern in patterns:
        head, _, rest = pattern.partition('/**/')
        # Path.glob does not follow links, setuptools does
        files = (
            (package / head).resolve().rglob(rest)
            if rest
            else package.glob(pattern)
        )
        found |= {path.resolve() for path in files}
    assert {repo_dir / name for name in shipped(repo_dir)} <= found
    # templates of reports, wherever they lie; `.mim` is a link
    assert set(package.glob('[a-z]*/**/*.html')) <= found
    assert package / 'comparison' / 'report.md' in found


@pytest.mark.slow
def test_wheel_inherits_configs(repo_dir, tmp_path):
    """Built from a copy, unpacked elsewhere, and used from there."""
    source, target = tmp_path / 'source', tmp_path / 'target'
    source.mkdir()
    for name in SOURCES:
        if (repo_dir / name).is_dir():
            ignore = shutil.ignore_patterns('__pycache__')
            shutil.copytree(
                repo_dir / name, source / name, symlinks=True, ignore=ignore
            )
        else:
            shutil.copy(repo_dir / name, source)
    command = [sys.executable, '-m', 'pip', 'wheel', '--no-deps', '-q']
    command += ['--no-build-isolation', '-w', str(tmp_path), str(source)]
    subprocess.run(command, check=True)
    [wheel] = tmp_path.glob('*.whl')
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
        archive.extractall(target)
    assert {f'mmsoco/.mim/{name}' for name in shipped(repo_dir)} <= packed
    child = tmp_path / 'child.py'
    child.write_text(
        "_base_ = 'mmsoco::soco/"
        "soco_mask-rcnn_r50-fpn_1xb32-coslr-400e_custom.py'"
    )
    code = (
        'import mmsoco\n'
        f'assert mmsoco.__file__.startswith({str(target)!r})\n'
        'from mmengine.config import Config\n'
        f'cfg = Config.fromfile({str(child)!r})\n'
        "assert cfg.model.detector.type == 'MaskRCNN'\n"
    )
    subprocess.run(
        [sys.executable, '-c', code],
        check=True,
        cwd=tmp_path,
        env={'PYTHONPATH': str(target), 'PATH': ''},
    )
