"""The command itself: its verbs, their help, the doors in tools/."""

import ast
import os
import re

import pytest
from command import assert_refused, call, python, succeed

import mmsoco
from mmsoco.cli.convert import CONVERSIONS
from mmsoco.cli.main import known_verbs, overview
from mmsoco.utils.machine import SPIN_COUNT
from mmsoco.version import __version__

HEAVY = ('torch', 'mmengine', 'mmcv', 'mmdet', 'numba', 'cv2')
# The names that OpenMMLab users type, and what is behind each.
DOORS = {
    'train.py': ['train'],
    'test.py': ['test'],
    'proposals/generate.py': ['propose'],
    'proposals/merge.py': ['convert', 'shards'],
    'proposals/refilter.py': ['convert', 'regions'],
    'proposals/convert.py': ['convert', 'proposals'],
    'analysis_tools/browse_proposals.py': ['browse'],
    'analysis_tools/browse_views.py': ['browse'],
    'model_converters/convert_reference.py': ['convert', 'checkpoint'],
    'model_converters/export_detector.py': ['export'],
    'model_converters/inspect_checkpoint.py': ['inspect'],
    'model_converters/publish_model.py': ['publish'],
    'dataset_converters/voc2coco.py': ['convert', 'voc'],
    'dataset_converters/mini_coco.py': ['convert', 'mini-coco'],
    'dataset_converters/imagenet.py': ['convert', 'imagenet'],
    'demo/run_demo.py': ['demo'],
}
COMMANDS = [[verb] for verb in known_verbs()]
COMMANDS += [['convert', name] for name in CONVERSIONS]


def test_overview_names_every_verb():
    text = overview()
    for verb in known_verbs():
        assert re.search(rf'^  {verb} +[A-Z].*\.$', text, re.MULTILINE), verb


@pytest.mark.parametrize('words', [['--help'], ['-h'], ['help']])
def test_help_prints_the_overview(words):
    assert succeed(*words) == overview() + '\n'


def test_without_a_verb_the_overview_is_an_error():
    outcome = call()
    assert outcome.status == 2 and 'usage: mmsoco VERB' in outcome.err


def test_version():
    assert succeed('--version') == f'mmsoco {__version__}\n'


@pytest.mark.parametrize('command', COMMANDS, ids=' '.join)
def test_help_has_an_example_of_the_command(command):
    outcome = call(*command, '--help')
    assert outcome.status == 0
    examples = outcome.out.partition('Example')[2]
    assert f'  mmsoco {" ".join(command)}' in examples


def test_help_imports_nothing_heavy(tmp_path):
    """All helps in one process: the first heavy import tells on its verb."""
    script = (
        'import sys, contextlib, io\n'
        'from mmsoco.cli.main import main\n'
        f'for words in {COMMANDS!r}:\n'
        '    with contextlib.redirect_stdout(io.StringIO()):\n'
        '        try:\n'
        "            main([*words, '--help'])\n"
        '        except SystemExit:\n'
        '            pass\n'
        f'    heavy = [m for m in {HEAVY!r} if m in sys.modules]\n'
        '    assert not heavy, (words, heavy)\n'
    )
    done = python('-c', script, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_runs_as_a_module(tmp_path):
    done = python('-m', 'mmsoco', '--version', cwd=tmp_path)
    assert done.stdout == f'mmsoco {__version__}\n'


@pytest.mark.parametrize('door', DOORS)
def test_doors_lead_to_their_verb(repo_dir, door):
    """Read, not run: each is the same call of `main`."""
    tree = ast.parse((repo_dir / 'tools' / door).read_text())
    (call_,) = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == 'main'
    ]
    words = ast.unparse(call_.args[0])
    assert words == f'[{", ".join(map(repr, DOORS[door]))}, *sys.argv[1:]]'


@pytest.mark.parametrize('door', ['-m mmsoco train', '{}/tools/train.py'])
def test_a_door_is_open(repo_dir, tmp_path, door):
    env = dict(os.environ, PYTHONPATH=str(repo_dir))
    words = door.format(repo_dir).split()
    done = python(*words, 'none.py', cwd=tmp_path, env=env)
    assert done.returncode == 1
    assert done.stderr.startswith('error: There is no config none.py')


@pytest.mark.parametrize(
    ('policy', 'expected'), [(None, str(SPIN_COUNT)), ('ACTIVE', None)]
)
@pytest.mark.parametrize(
    'use', [lambda: call('inspect', 'gone.pth'), lambda: mmsoco.detect]
)
def test_waiting_threads_sleep_soon(monkeypatch, use, policy, expected):
    """OpenMP reads it when torch is loaded, which both do later."""
    for name in ('OMP_WAIT_POLICY', 'GOMP_SPINCOUNT', 'KMP_BLOCKTIME'):
        monkeypatch.delenv(name, raising=False)
    if policy is not None:
        monkeypatch.setenv('OMP_WAIT_POLICY', policy)

    use()

    assert os.environ.get('GOMP_SPINCOUNT') == expected
    monkeypatch.delenv('GOMP_SPINCOUNT', raising=False)
    monkeypatch.delenv('KMP_BLOCKTIME', raising=False)


def test_a_removed_folder_is_named(tmp_path, monkeypatch):
    folder = tmp_path / 'removed'
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    assert_refused(call('doctor'), 'the current folder was removed')
