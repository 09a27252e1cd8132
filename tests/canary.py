"""A pickle that tells when it is run."""

import contextlib
import os


class Canary:
    """Sets a variable of the environment where its pickle is loaded."""

    def __reduce__(self):
        return exec, ("import os; os.environ['MMSOCO_CANARY'] = 'ran'",)


@contextlib.contextmanager
def quiet_canary(monkeypatch):
    """Check at the end that no pickle of a canary has run."""
    monkeypatch.setenv('MMSOCO_CANARY', 'quiet')
    yield
    assert os.environ['MMSOCO_CANARY'] == 'quiet'
