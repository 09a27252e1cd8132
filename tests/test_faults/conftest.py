import pytest
from real_processes import end_begun, write_training


@pytest.fixture
def script(tmp_path):
    """A training that runs as a process; what a test leaves is ended."""
    yield write_training(tmp_path)
    end_begun()
