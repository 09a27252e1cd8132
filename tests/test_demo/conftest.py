import sys

import pytest


@pytest.fixture(scope='session', autouse=True)
def demo_tools(repo_dir):
    """Lets the tests import the demo's scripts as they import each other."""
    sys.path.insert(0, str(repo_dir / 'tools' / 'demo'))
    yield
    sys.path.remove(str(repo_dir / 'tools' / 'demo'))
