"""Suggest the name that was meant."""

import difflib
from collections.abc import Iterable


def near(name: str, known: Iterable[str]) -> str:
    """Return ``'; did you mean X?'`` for the most similar name, or ``''``.

    Capitals, blanks, hyphens and underscores do not count.
    """
    plain = {_plain(other): other for other in known}
    found = difflib.get_close_matches(_plain(name), plain, n=1)
    return f'; did you mean {plain[found[0]]}?' if found else ''


def _plain(name: str) -> str:
    return ''.join(c for c in name.casefold() if c.isalnum()) or name
