"""What a wheel holds: configs and tools where mim and mmengine look."""

import configparser
import subprocess
import sys


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


def test_the_package_is_found_next_to_its_clone(tmp_path):
    (tmp_path / 'mmsoco' / 'docs').mkdir(parents=True)  # the clone
    code = 'import mmsoco; print(mmsoco.pretrain.__name__)'
    found = subprocess.check_output([sys.executable, '-c', code], cwd=tmp_path)
    assert found == b'pretrain\n'
