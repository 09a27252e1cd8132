"""Sets up the virtual environment of mmsoco: ``make install`` calls it.

Installs torch, mmcv built from source with its operators, mmdet, mmselfsup,
mmengine and mmsoco itself at pinned versions, and does nothing when the
environment is already complete. Uses the standard library only.

Example::

    python3.11 tools/setup_env.py --venv .venv --torch torch==2.13.0
"""

import argparse
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any, Dict, List, Optional

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / 'requirements'
SUPPORTED_PYTHONS = ((3, 11), (3, 12))
DEFAULTS = dict(
    torch='torch==2.13.0',
    stack='openmmlab',
    constraints=str(REQUIREMENTS / 'constraints.txt'),
)
# In the environment: the settings that are not the defaults.
SETTINGS = 'mmsoco-settings.json'
# Of mmsoco, in pyproject.toml: what `make` and the tests need.
EXTRAS = 'demo,dev,report'
# By default setuptools makes a finder that Python asks last: in the folder of
# the clone, `import mmsoco` would find the clone itself as an empty package.
EDITABLE = ('--config-settings', 'editable_mode=compat')
STACKS = ('openmmlab', 'onedl')
# One compile job of mmcv's largest files takes about this much memory.
BYTES_PER_JOB = 1.4e9

FACTS = """
import json, platform, sys, torch
print(json.dumps(dict(
    torch=torch.__version__, cuda=torch.version.cuda,
    gpu=torch.cuda.is_available(), machine=platform.machine(),
    python='cp%d%d' % sys.version_info[:2])))
"""
SMOKE = """
import mmsoco.registry, torchvision, mmselfsup, mmdet, mmcv
from mmcv.ops import RoIAlign
"""


class SetupError(Exception):
    """Something that the user has to fix; the text says what and how."""


def check_python(venv: Path) -> None:
    """Refuse a Python that cannot make the environment.

    Raises:
        SetupError: If its version, its headers or an old environment do not
            fit.
    """
    names = ' or '.join('%d.%d' % v for v in SUPPORTED_PYTHONS)
    version = tuple(sys.version_info[:2])
    if version not in SUPPORTED_PYTHONS:
        raise SetupError(
            'mmsoco needs Python %s, but %s is Python %d.%d. Choose another '
            'with `make install PYTHON=/path/to/python3.11`.'
            % ((names, sys.executable) + version)
        )
    header = Path(sysconfig.get_paths()['include']) / 'Python.h'
    if not header.is_file():
        raise SetupError(
            'The headers of Python are missing (%s), and mmcv is compiled '
            'against them. Install them, e.g. `apt-get install '
            'python%d.%d-dev`.' % ((header,) + version)
        )
    config = venv / 'pyvenv.cfg'
    if config.is_file():
        made_with = dict(
            line.split(' = ', 1)
            for line in config.read_text().splitlines()
            if ' = ' in line
        ).get('version', '')
        if not made_with.startswith('%d.%d.' % version):
            raise SetupError(
                '%s was made with Python %s, but PYTHON is %d.%d. Remove the '
                'folder, or choose another one with VENV=.'
                % ((venv, made_with) + version)
            )


def find_compiler() -> str:
    """Return the C++ compiler.

    Raises:
        SetupError: If there is none.
    """
    for name in (os.environ.get('CXX'), 'c++', 'g++', 'clang++'):
        if name and shutil.which(shlex.split(name)[0]):
            return name
    raise SetupError(
        'No C++ compiler was found ($CXX, c++, g++, clang++), and mmcv is '
        'compiled from source. Install one, e.g. `apt-get install g++`.'
    )


def fingerprint(torch_spec: str, stack: str, constraints: Path) -> str:
    """Return what the environment depends on, as one SHA-256."""
    digest = hashlib.sha256()
    for path in (*sorted(REQUIREMENTS.glob('*.txt')), constraints):
        digest.update(path.read_bytes())
    # Settings of linters and tests, which come last, install nothing.
    project = (ROOT / 'pyproject.toml').read_text().split('[tool.')[0]
    settings = [torch_spec, stack, str(ROOT), list(sys.version_info[:2])]
    settings.append(project)
    digest.update(json.dumps(settings).encode())
    return digest.hexdigest()


class Installer:
    """Runs the steps of the set-up inside of one virtual environment."""

    def __init__(
        self,
        venv: Path,
        torch: str,
        stack: str,
        constraints: str,
    ) -> None:
        self.venv = venv
        self.torch_spec = torch
        self.stack = stack
        self.constraints = Path(constraints)
        self.settings = dict(torch=torch, stack=stack, constraints=constraints)
        self.python = venv / 'bin' / 'python'
        self.log = venv / 'setup.log'
        self.stamp = venv / 'mmsoco-setup.sha256'

    def is_complete(self) -> bool:
        """Return whether a set-up of these very settings has finished here."""
        return (
            self.python.exists()
            and self.stamp.is_file()
            and self.stamp.read_text() == self._fingerprint()
        )

    def _fingerprint(self) -> str:
        return fingerprint(self.torch_spec, self.stack, self.constraints)

    def install(self) -> None:
        """Run all steps.

        Raises:
            SetupError: If one fails.
        """
        self.stamp.unlink(missing_ok=True)
        self._make_venv()
        build = ['-r', str(REQUIREMENTS / 'build.txt')]
        self._pip('build tools', *build)
        self._pip(
            'torch (%s)' % self.torch_spec,
            *shlex.split(self.torch_spec),
            'torchvision',
        )
        # torch's spec also pins it against later steps
        facts = self._facts()
        pin = 'torch==%s' % facts['torch'].split('+')[0]
        self._pip('mmcv', self._mmcv_wheel(facts), pin)
        self._pip(
            'mmdet, mmselfsup and the rest',
            *self._stack_packages(),
            *['--no-build-isolation', '-e', '%s[%s]' % (ROOT, EXTRAS)],
            *EDITABLE,
            pin,
        )
        self._run('import check', str(self.python), '-c', SMOKE)
        self.show_mim_the_package()
        self._write_stamp()

    def show_mim_the_package(self) -> None:
        """Let mim find the package although it is not in site-packages.

        mim joins the folder of a package's metadata and the first line of
        its top_level.txt, where an editable install has no such folder. A
        whole path stays itself when it is joined.
        """
        pattern = 'lib/python*/site-packages/mmsoco-*.dist-info'
        for metadata in self.venv.glob(pattern):
            lines = '%s\nmmsoco\n' % (ROOT / 'mmsoco')
            (metadata / 'top_level.txt').write_text(lines)

    def _make_venv(self) -> None:
        if self.python.exists():
            return
        command = [sys.executable, '-m', 'venv', str(self.venv)]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode:
            raise SetupError(
                'Making %s failed: %s\nThe module venv is a package of its '
                'own on some systems, e.g. `apt-get install python3-venv`.'
                % (self.venv, result.stdout + result.stderr)
            )

    def _facts(self) -> Dict[str, Any]:
        command = [str(self.python), '-c', FACTS]
        return json.loads(subprocess.check_output(command, text=True))

    def _stack_requirements(self) -> List[str]:
        lines = (REQUIREMENTS / ('%s.txt' % self.stack)).read_text()
        return [
            line
            for line in lines.splitlines()
            if line and not line.startswith('#')
        ]

    def _mmcv_requirement(self) -> str:
        return next(r for r in self._stack_requirements() if 'mmcv==' in r)

    def _stack_packages(self) -> List[str]:
        mmcv = self._mmcv_requirement()
        return [r for r in self._stack_requirements() if r != mmcv]

    def _mmcv_wheel(self, facts: Dict[str, Any]) -> str:
        """Path of the mmcv wheel, built once per torch and kept."""
        requirement = self._mmcv_requirement()
        arch = os.environ.get('TORCH_CUDA_ARCH_LIST', '').replace(';', '_')
        name = '-'.join(
            [requirement, 'torch', facts['torch']]
            + [facts['python'], facts['machine'], arch]
        ).rstrip('-')
        kept = _cache_folder() / 'wheels' / name
        if not kept.is_dir():
            self._build_mmcv(requirement, facts, kept)
        return str(next(kept.glob('*.whl')))

    def _build_mmcv(
        self, requirement: str, facts: Dict[str, Any], kept: Path
    ) -> None:
        compiler = find_compiler()
        _warn_without_nvcc(facts)
        kept.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=str(kept.parent)))
        environment = dict(
            os.environ,
            MMCV_WITH_OPS='1',
            CXX=compiler,
            # ninja is found on PATH, where the environment is not activated
            PATH='%s%s%s'
            % (self.python.parent, os.pathsep, os.environ.get('PATH', '')),
        )
        environment.setdefault('MAX_JOBS', str(_parallel_jobs()))
        try:
            self._run(
                'compiling mmcv with its operators '
                '(7 to 15 minutes on 2 cores)',
                *[str(self.python), '-m', 'pip', 'wheel', requirement],
                *['--no-build-isolation', '--no-deps', '--no-cache-dir'],
                *['--wheel-dir', str(scratch)],
                env=environment,
            )
            os.replace(str(scratch), str(kept))
        finally:
            shutil.rmtree(str(scratch), ignore_errors=True)

    def _pip(self, step: str, *arguments: str) -> None:
        self._run(
            'installing ' + step,
            *[str(self.python), '-m', 'pip', 'install', *arguments],
            *['--constraint', str(self.constraints)],
        )

    def _run(
        self,
        step: Optional[str],
        *command: str,
        env: Optional[Dict[str, str]] = None,
    ) -> None:
        if step:
            print('[set-up] %s ...' % step, flush=True)
        with open(str(self.log), 'a') as log:
            log.write('\n$ %s\n' % ' '.join(command))
            log.flush()
            code = subprocess.call(
                command, stdout=log, stderr=subprocess.STDOUT, env=env
            )
        if code:
            tail = self.log.read_text(errors='replace').splitlines()[-25:]
            raise SetupError(
                'The step "%s" failed (exit status %d). The end of %s:\n  %s\n'
                'Fix what it names and run the same command again: finished '
                'steps are kept.'
                % (step or command[0], code, self.log, '\n  '.join(tail))
            )

    def _write_stamp(self) -> None:
        chosen = {
            name: value
            for name, value in self.settings.items()
            if value != DEFAULTS[name]
        }
        _replace(self.venv / SETTINGS, json.dumps(chosen))
        _replace(self.stamp, self._fingerprint())


def _replace(path: Path, text: str) -> None:
    scratch = path.with_suffix('.tmp')
    scratch.write_text(text)
    os.replace(str(scratch), str(path))


def _cache_folder() -> Path:
    base = os.environ.get('XDG_CACHE_HOME') or str(Path.home() / '.cache')
    return Path(base) / 'mmsoco'


def _parallel_jobs() -> int:
    memory = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
    return max(1, min(os.cpu_count() or 1, int(memory / BYTES_PER_JOB)))


def _warn_without_nvcc(facts: Dict[str, Any]) -> None:
    """Say what a GPU user loses without a CUDA compiler."""
    home = os.environ.get('CUDA_HOME', '/usr/local/cuda')
    found = shutil.which('nvcc') or (Path(home) / 'bin' / 'nvcc').exists()
    if facts['gpu'] and not found:
        print(
            '[set-up] WARNING: a GPU is here, but no nvcc: mmcv gets no CUDA '
            "operators. Pretraining uses torchvision's RoIAlign then; "
            'fine-tuning on the GPU needs them. Install the CUDA toolkit %s, '
            'set CUDA_HOME, remove %s and call this again.'
            % (facts['cuda'], _cache_folder() / 'wheels'),
            flush=True,
        )


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--venv', type=Path, default=ROOT / '.venv')
    parser.add_argument(
        '--torch',
        help='pip arguments that name torch, e.g. "torch==2.11.0 '
        '--index-url URL" for another CUDA (default: %s)' % DEFAULTS['torch'],
    )
    parser.add_argument(
        '--stack',
        choices=STACKS,
        help='mmdet and its family (default: %s)' % DEFAULTS['stack'],
    )
    parser.add_argument(
        '--constraints',
        type=_existing_file,
        help='a file with the versions of packages (default: %s)'
        % DEFAULTS['constraints'],
    )
    return parser.parse_args()


def _existing_file(name: str) -> str:
    path = Path(name).absolute()
    if not path.is_file():
        raise argparse.ArgumentTypeError('%s is not a file' % path)
    return str(path)


def complete_settings(
    venv: Path, given: Dict[str, Optional[str]]
) -> Dict[str, str]:
    """Return all settings of the environment.

    ``make test`` sets up, too: without those that are kept, it would replace
    the torch that the user chose in ``make install``.

    Args:
        venv: The environment, which need not exist.
        given: The settings of `DEFAULTS` that the user gave, None for others:
            what the environment was made with, else the default.
    """
    file = venv / SETTINGS
    kept = json.loads(file.read_text()) if file.is_file() else {}
    given = {name: value for name, value in given.items() if value is not None}
    return {**DEFAULTS, **kept, **given}


def main() -> int:
    """Set up the environment unless it is complete."""
    args = parse_args()
    venv = args.venv.absolute()
    given = {name: getattr(args, name) for name in DEFAULTS}
    installer = Installer(venv, **complete_settings(venv, given))
    try:
        if installer.is_complete():
            installer.show_mim_the_package()
            return 0
        check_python(venv)
        find_compiler()
        installer.install()
    except SetupError as error:
        print('[set-up] ERROR: %s' % error, file=sys.stderr)
        return 1
    print('[set-up] done: %s is complete' % venv)
    return 0


if __name__ == '__main__':
    sys.exit(main())
