"""Files for contributors agree with the project."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from mmsoco.version import __version__

REPO = Path(__file__).resolve().parent.parent
WORKFLOW = REPO / '.github' / 'workflows' / 'test.yml'
DOCKERFILES = sorted((REPO / 'docker').glob('Dockerfile*'))
# A target, its commands, and a variable that the environment may set.
TARGET = re.compile(r'^([\w-]+):[^=\n]*\n((?:\t.*\n?)*)', re.MULTILINE)
VARIABLE = re.compile(r'^(\w+) \?=', re.MULTILINE)


@pytest.fixture(scope='module')
def makefile() -> str:
    return (REPO / 'Makefile').read_text()


@pytest.fixture(scope='module')
def targets(makefile) -> dict[str, str]:
    """Return the commands of the Makefile's targets."""
    return dict(TARGET.findall(makefile))


@pytest.fixture(scope='module')
def jobs() -> dict[str, dict]:
    return yaml.safe_load(WORKFLOW.read_text())['jobs']


def made(command: str) -> list[str]:
    """Return the targets that a command line makes.

    Raises:
        ValueError: If it calls something else.
    """
    program, *words = command.split()
    if program != 'make':
        raise ValueError(f'expected make, got {command!r}')
    return [word for word in words if '=' not in word]


def test_every_target_is_explained(makefile, targets):
    head = makefile[: makefile.index('\n\n')]
    explained = set(re.findall(r'make ([\w-]+)', head))
    phony = re.search(r'^\.PHONY: (.*)$', makefile, re.MULTILINE)[1].split()
    assert set(targets) == set(phony)
    assert explained <= set(targets)
    # A part of another target needs no separate line.
    parts = set(re.findall(r'^[\w-]+: ([\w-]+)', makefile, re.MULTILINE))
    assert set(targets) - explained <= parts


def test_workflow_calls_targets_of_the_makefile_only(jobs, targets):
    for job in jobs.values():
        commands = [step['run'] for step in job['steps'] if 'run' in step]
        assert commands
        for command in commands:
            assert set(made(command)) <= set(targets)


def test_workflow_covers_what_is_promised(jobs, targets):
    """Both Pythons, both stacks, lowest versions, docs and the wheel."""
    called = {
        name: [made(s['run'])[0] for s in job['steps'] if 'run' in s]
        for name, job in jobs.items()
    }
    matrix = jobs['test']['strategy']['matrix']
    classifiers = (REPO / 'pyproject.toml').read_text()
    pythons = re.findall(r'Python :: (3\.\d+)', classifiers)
    assert matrix['python'] == pythons
    stacks = {path.stem for path in (REPO / 'requirements').glob('*.txt')}
    assert set(matrix['stack']) == stacks & {'openmmlab', 'onedl'}
    assert {'lint', 'test'} <= set(called['test'])
    assert 'test' in called['lowest']
    assert 'docs' in called['docs']
    assert {'wheel', 'test-wheel', 'coverage'} <= set(called['wheel'])


def test_workflow_sets_variables_that_the_makefile_reads(jobs, makefile):
    known = set(VARIABLE.findall(makefile))
    whole = yaml.safe_load(WORKFLOW.read_text())
    assert set(whole['env']) <= known
    for job in jobs.values():
        assert set(job.get('env', {})) <= known
    lowest = jobs['lowest']['env']
    assert (REPO / lowest['CONSTRAINTS']).is_file()
    pinned = (REPO / lowest['CONSTRAINTS']).read_text().split()
    name, version = lowest['TORCH'].split('==')
    assert f'{name}=={version}'.removesuffix('.0') in pinned


def test_pre_commit_runs_what_make_lint_runs(targets):
    path = REPO / '.pre-commit-config.yaml'
    [local] = yaml.safe_load(path.read_text())['repos']
    assert local['repo'] == 'local'
    [hook] = local['hooks']
    assert made(hook['entry']) == ['lint']
    assert hook['pass_filenames'] is False
    for tool in ('ruff check', 'ruff format --check', 'mypy'):
        assert f'-m {tool}' in targets['lint']


def instructions(path: Path) -> list[list[str]]:
    """Return the instructions of a Dockerfile as words."""
    text = path.read_text().replace('\\\n', ' ')
    lines = [line for line in text.splitlines() if line.strip()]
    return [line.split() for line in lines if not line.startswith('#')]


@pytest.mark.parametrize('path', DOCKERFILES, ids=lambda path: path.name)
def test_images_call_make_install(path, makefile):
    [command] = re.findall(r'make install[^&]*', path.read_text())
    assert made(command.replace('\\\n', ' ')) == ['install']
    names = set(re.findall(r'(\w+)=', command))
    assert {'PYTHON', 'STACK', 'TORCH'} <= names
    assert names <= set(VARIABLE.findall(makefile))
    assert 'Not built' in path.read_text()


@pytest.mark.parametrize('path', DOCKERFILES, ids=lambda path: path.name)
def test_images_use_arguments_that_are_declared(path):
    declared = set()
    for keyword, *words in instructions(path):
        if keyword == 'FROM':
            # Only arguments before the first FROM are known to FROM, and
            # none of them after it.
            used = set(re.findall(r'\$\{(\w+)\}', ' '.join(words)))
            assert used <= declared
            declared = {'PATH'}
        elif keyword == 'ARG':
            declared.add(words[0].partition('=')[0])
        else:
            used = set(re.findall(r'\$\{(\w+)\}', ' '.join(words)))
            assert used <= declared


def test_development_container_uses_the_image():
    folder = REPO / '.devcontainer'
    content = json.loads((folder / 'devcontainer.json').read_text())
    build = content['build']
    dockerfile = (folder / build['dockerfile']).resolve()
    assert dockerfile in DOCKERFILES
    assert (folder / build['context']).resolve() == REPO
    stages = re.findall(r'^FROM .* AS (\w+)$', dockerfile.read_text(), re.M)
    assert build['target'] in stages
    assert made(content['postCreateCommand']) == ['install']


def test_issue_forms_are_complete():
    forms = sorted((REPO / '.github' / 'ISSUE_TEMPLATE').glob('*.yml'))
    assert forms
    for path in forms:
        form = yaml.safe_load(path.read_text())
        assert {'name', 'description', 'body'} <= set(form)
        ids = [field['id'] for field in form['body']]
        assert len(set(ids)) == len(ids)


def test_citation_has_the_version():
    citation = yaml.safe_load((REPO / 'CITATION.cff').read_text())
    assert citation['version'] == __version__


def test_links_of_the_guide_lead_somewhere():
    text = (REPO / 'CONTRIBUTING.md').read_text()
    links = re.findall(r'\]\(([^)#]+)', text)
    local = [link for link in links if not link.startswith('https://')]
    assert local
    for link in local:
        assert (REPO / link).exists(), link
    for path in re.findall(r'tests/\S+\.py', text):
        assert (REPO / path).is_file(), path


def test_no_module_is_left_out_of_the_type_check():
    project = tomllib.loads((REPO / 'pyproject.toml').read_text())
    mypy = project['tool']['mypy']
    assert 'exclude' not in mypy
    assert not any(each.get('ignore_errors') for each in mypy['overrides'])
