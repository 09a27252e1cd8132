"""The wheel, in a new environment and outside of the clone."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
import skimage
from PIL import Image
from test_packaging import shipped

pytestmark = pytest.mark.slow

SOURCES = ('LICENSE', 'README.md', 'model-index.yml', 'pyproject.toml')
SOURCES += ('setup.cfg', 'configs', 'mmsoco', 'tools')
PHOTOS = ('astronaut.png', 'chelsea.png', 'coffee.png', 'rocket.jpg')
# One pass over 16 pictures at views of 64 pixels.
OPTIONS = (
    '--epochs', '1', '--batch-size', '8', '--seed', '3', '--precision',
    'fp32', '--cfg-options',
    'train_dataloader.dataset.pipeline.0.views.0.size=64',
    'train_dataloader.dataset.pipeline.0.views.1.size=64',
)  # fmt: skip
CHILD = (
    "_base_ = 'mmsoco::soco/soco_mask-rcnn_r50-fpn_1xb32-coslr-400e_custom.py'"
)
READ_CHILD = (
    'from mmengine.config import Config\n'
    "cfg = Config.fromfile('child.py')\n"
    'print(cfg.model.detector.type)\n'
)


@pytest.fixture(scope='module')
def wheel(repo_dir, tmp_path_factory):
    """Build the wheel from a copy of the sources."""
    folder = tmp_path_factory.mktemp('wheel')
    source = folder / 'source'
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
    command += ['--no-build-isolation', '-w', str(folder), str(source)]
    subprocess.run(command, check=True)
    [path] = folder.glob('*.whl')
    return path


class Environment:
    """A virtual environment with the wheel, away from the clone."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        self.folder = folder
        self.bin = folder / 'venv' / 'bin'
        self.work = folder / 'work'
        self.work.mkdir()
        venv = [sys.executable, '-m', 'venv', '--without-pip']
        subprocess.run([*venv, folder / 'venv'], check=True)
        self.packages = Path(
            self.run('python', '-c', READ_PURELIB).stdout.strip()
        )
        # What the wheel builds on, without what is editable there.
        theirs = sysconfig.get_path('purelib')
        (self.packages / 'dependencies.pth').write_text(f'{theirs}\n')
        pip = [sys.executable, '-m', 'pip', '--python', self.bin / 'python']
        pip += ['install', '--no-deps', '--no-index', '-q', wheel]
        subprocess.run(pip, check=True)

    def run(self, program: str, *words: str) -> subprocess.CompletedProcess:
        """Run a program of the environment in its working folder."""
        kept = ('HOME', 'TMPDIR', 'OMP_NUM_THREADS', 'NUMBA_CACHE_DIR')
        environment = {k: os.environ[k] for k in kept if k in os.environ}
        return subprocess.run(
            [self.bin / program, *words],
            cwd=self.work,
            env={'PATH': f'{self.bin}:/usr/bin:/bin', **environment},
            capture_output=True,
            text=True,
        )

    def succeed(self, program: str, *words: str) -> str:
        """Run a program that must not fail; return its output."""
        done = self.run(program, *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


READ_PURELIB = "import sysconfig; print(sysconfig.get_path('purelib'))"


@pytest.fixture(scope='module')
def fresh(wheel, tmp_path_factory):
    """Install the wheel in a new environment."""
    environment = Environment(tmp_path_factory.mktemp('fresh'), wheel)
    (environment.work / 'child.py').write_text(CHILD)
    return environment


def test_the_wheel_holds_what_mim_wants(wheel, repo_dir):
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    assert {f'mmsoco/.mim/{name}' for name in shipped(repo_dir)} <= packed


def test_the_package_is_that_of_the_wheel(fresh):
    code = 'import mmsoco; print(mmsoco.__file__)'
    assert fresh.succeed('python', '-c', code).startswith(str(fresh.packages))
    lines = fresh.succeed('mmsoco', '--help').splitlines()
    assert any(line.startswith('  pretrain ') for line in lines)


def test_mim_finds_configs_and_tools(fresh):
    # mim takes the folder that mmengine's search finds.
    code = (
        'import mmsoco\n'
        'from mmengine.utils import get_installed_path\n'
        "print(get_installed_path('mmsoco'))"
    )
    folder = Path(fresh.succeed('python', '-c', code).strip())
    assert folder == fresh.packages / 'mmsoco'
    for name in ('model-index.yml', 'configs/soco', 'tools/train.py'):
        assert (folder / '.mim' / name).exists()
    tool = folder / '.mim' / 'tools' / 'train.py'
    assert 'usage:' in fresh.succeed('python', str(tool), '--help')


def test_configs_are_inherited_after_the_import(fresh):
    read = fresh.succeed('python', '-c', f'import mmsoco\n{READ_CHILD}')
    assert read.split()[-1] == 'MaskRCNN'


def test_one_line_lets_other_programs_inherit_configs(fresh, repo_dir):
    """The command of configs/README.md, which makes a .pth file."""
    assert fresh.run('python', '-c', READ_CHILD).returncode != 0
    readme = (repo_dir / 'configs' / 'README.md').read_text()
    [line] = re.findall(r'^python -c .*mmsoco\.pth.*$', readme, re.MULTILINE)
    done = subprocess.run(
        ['bash', '-c', line], env={'PATH': f'{fresh.bin}:/usr/bin:/bin'}
    )
    assert done.returncode == 0
    try:
        read = fresh.succeed('python', '-c', READ_CHILD)
        assert read.split()[-1] == 'MaskRCNN'
    finally:
        (fresh.packages / 'mmsoco.pth').unlink()


def test_pictures_are_pretrained_on(fresh):
    """Sixteen pieces of four photographs that scikit-image brings."""
    pictures = fresh.work / 'pictures'
    pictures.mkdir()
    data = Path(skimage.__file__).parent / 'data'
    for name in PHOTOS:
        photo = Image.open(data / name).convert('RGB').resize((256, 256))
        for i in range(4):
            x, y = 64 * (i % 2), 64 * (i // 2)
            piece = photo.crop((x, y, x + 192, y + 192))
            piece.save(pictures / f'{Path(name).stem}-{i}.png')
    words = ('pretrain', 'pictures', '--out', 'out', *OPTIONS)
    assert '[4/4] export' in fresh.succeed('mmsoco', *words)
    for name in ('detector.pth', 'report.html', 'finetune.py'):
        assert (fresh.work / 'out' / name).is_file()
