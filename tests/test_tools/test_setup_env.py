"""What the set-up says when something is missing, and that it runs once."""

import importlib.util
import subprocess
import sys
from types import SimpleNamespace

import pkg_resources
import pytest
from mmengine.utils import get_installed_path


@pytest.fixture
def setup_env(repo_dir):
    path = repo_dir / 'tools' / 'setup_env.py'
    spec = importlib.util.spec_from_file_location('setup_env', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_wrong_python_is_named(setup_env, tmp_path, monkeypatch):
    fake = SimpleNamespace(version_info=(3, 8, 1), executable='old-python')
    monkeypatch.setattr(setup_env, 'sys', fake)

    with pytest.raises(setup_env.SetupError, match='old-python is Python 3.8'):
        setup_env.check_python(tmp_path / '.venv')


def test_environment_of_another_python_is_kept(setup_env, tmp_path):
    (tmp_path / 'pyvenv.cfg').write_text('home = x\nversion = 3.9.2\n')

    with pytest.raises(setup_env.SetupError, match='made with Python 3.9.2'):
        setup_env.check_python(tmp_path)


def test_missing_compiler_is_named(setup_env, tmp_path, monkeypatch):
    monkeypatch.setenv('PATH', str(tmp_path))
    monkeypatch.delenv('CXX', raising=False)

    with pytest.raises(setup_env.SetupError, match='No C.. compiler'):
        setup_env.find_compiler()


def test_make_names_a_python_that_is_no_program(repo_dir):
    result = subprocess.run(
        ['make', 'install', 'PYTHON=no-such-python'],
        cwd=repo_dir,
        capture_output=True,
        text=True,
    )

    assert result.returncode != 0
    assert 'no-such-python is not a program' in result.stderr


@pytest.fixture
def make_installer(setup_env, tmp_path):
    def make(**given):
        settings = setup_env.complete_settings(tmp_path, given)
        return setup_env.Installer(tmp_path, **settings)

    return make


def test_failing_step_shows_the_end_of_its_log(setup_env, make_installer):
    installer = make_installer()
    command = [sys.executable, '-c', 'raise SystemExit("no space left")']

    with pytest.raises(setup_env.SetupError, match='no space left'):
        installer._run('a step', *command)
    assert not installer.is_complete()


def test_complete_environment_is_not_installed_again(make_installer, tmp_path):
    installer = make_installer()
    (tmp_path / 'bin').mkdir()
    (tmp_path / 'bin' / 'python').touch()
    assert not installer.is_complete()

    installer._write_stamp()

    assert installer.is_complete()
    assert make_installer(torch=None).is_complete()
    assert not make_installer(torch='torch==2').is_complete()


def test_the_environment_keeps_its_settings(setup_env, make_installer):
    """As in `make install TORCH=...; make test`."""
    make_installer(torch='torch==2', stack='onedl')._write_stamp()

    assert make_installer(torch=None).settings == {
        **setup_env.DEFAULTS,
        'torch': 'torch==2',
        'stack': 'onedl',
    }
    make_installer(**setup_env.DEFAULTS)._write_stamp()
    assert make_installer().settings == setup_env.DEFAULTS


def test_mmcv_is_built_once_per_torch(make_installer, tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    installer = make_installer()
    built = []

    def build(requirement, facts, kept):
        built.append(facts['torch'])
        kept.mkdir(parents=True)
        (kept / 'mmcv.whl').touch()

    monkeypatch.setattr(installer, '_build_mmcv', build)
    for torch in ('2.13.0', '2.13.0', '2.11.0+cu130'):
        facts = {'torch': torch, 'python': 'cp311', 'machine': 'x86_64'}
        assert installer._mmcv_wheel(facts).endswith('mmcv.whl')

    assert built == ['2.13.0', '2.11.0+cu130']


def test_mim_finds_the_package_of_an_editable_install(
    make_installer, repo_dir, tmp_path, monkeypatch
):
    """mmengine's search is mim's."""
    site = tmp_path / 'lib' / 'python3.11' / 'site-packages'
    metadata = site / 'mmsoco-0.1.0.dist-info'
    metadata.mkdir(parents=True)
    (metadata / 'METADATA').write_text('Name: mmsoco\nVersion: 0.1.0\n')
    (metadata / 'top_level.txt').write_text('mmsoco\n')
    monkeypatch.setattr(
        pkg_resources, 'working_set', pkg_resources.WorkingSet([str(site)])
    )
    assert get_installed_path('mmsoco') == str(site / 'mmsoco')

    installer = make_installer()
    installer.show_mim_the_package()

    folder = get_installed_path('mmsoco')
    assert folder == str(repo_dir / 'mmsoco')
