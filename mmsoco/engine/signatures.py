"""Inspect the arguments of classes, and the names in registries."""

import inspect
from collections.abc import Callable
from typing import Any

OPEN_ENDED = (
    inspect.Parameter.VAR_KEYWORD,
    inspect.Parameter.VAR_POSITIONAL,
)


def arguments_of(built: Callable | None, name: str) -> list[str]:
    """Return the arguments of a class of a given name, else none.

    Arguments that a class passes on by ``**kwargs`` are those of its bases.
    """
    if getattr(built, '__name__', None) != name:
        return []
    makers = [
        c.__dict__.get('__init__') for c in getattr(built, '__mro__', ())
    ]
    names: list[str] = []
    for maker in [m for m in makers if m] or [built]:
        parameters = inspect.signature(maker).parameters.values()
        names += [p.name for p in parameters if p.kind not in OPEN_ENDED]
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return [n for n in dict.fromkeys(names) if n != 'self']


def takes(built: Callable, argument: str) -> bool:
    """Return whether a class or function accepts an argument."""
    parameters = inspect.signature(built).parameters.values()
    return any(p.name == argument or p.kind in OPEN_ENDED for p in parameters)


def names_in(registry: Any) -> list[str]:
    """Name the classes of a registry and of its parents."""
    names: list[str] = []
    while registry is not None:
        names += registry.module_dict
        registry = registry.parent
    return names
