"""Suggest the name that was meant."""

import difflib
from collections.abc import Iterable


def near(name: str, known: Iterable[str]) -> str:
    """Return ``'; did you mean X?'`` for the most similar name, or ``''``."""
    found = difflib.get_close_matches(name, list(known), n=1)
    return f'; did you mean {found[0]}?' if found else ''
