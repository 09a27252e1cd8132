"""Files for contributors agree with the project."""

import re

import pytest
import yaml

from mmsoco.version import __version__


@pytest.fixture
def targets(repo_dir):
    """The targets of the Makefile."""
    makefile = (repo_dir / 'Makefile').read_text()
    return set(re.findall(r'^([\w-]+):', makefile, re.MULTILINE))


def test_workflow_calls_targets_of_the_makefile_only(repo_dir, targets):
    path = repo_dir / '.github' / 'workflows' / 'test.yml'
    steps = yaml.safe_load(path.read_text())['jobs']['test']['steps']
    commands = [step['run'].split() for step in steps if 'run' in step]
    assert {program for program, _ in commands} == {'make'}
    assert {target for _, target in commands} <= targets


def test_pre_commit_calls_a_target_of_the_makefile(repo_dir, targets):
    content = yaml.safe_load(
        (repo_dir / '.pre-commit-config.yaml').read_text()
    )
    [hook] = [hook for repo in content['repos'] for hook in repo['hooks']]
    program, target = hook['entry'].split()
    assert program == 'make'
    assert target in targets


def test_citation_has_the_version(repo_dir):
    citation = yaml.safe_load((repo_dir / 'CITATION.cff').read_text())
    assert citation['version'] == __version__


def test_links_of_the_guide_lead_somewhere(repo_dir):
    text = (repo_dir / 'CONTRIBUTING.md').read_text()
    links = re.findall(r'\]\(([^)#]+)', text)
    local = [link for link in links if not link.startswith('https://')]
    assert local
    for link in local:
        assert (repo_dir / link).exists(), link
    for path in re.findall(r'tests/\S+\.py', text):
        assert (repo_dir / path).is_file(), path
