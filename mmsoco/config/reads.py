"""Find the keys of a config's plain dicts that a class reads.

A dict without a type, such as a detector's ``test_cfg.rcnn``, is passed to a
class as a whole, and no constructor sees its keys: a misspelled one is
silently never read. The source of the class shows what is read: ``cfg.KEY``,
``cfg['KEY']``, ``cfg.get('KEY')`` or ``'KEY' in cfg`` of something whose name
ends in ``cfg``.
"""

import ast
import functools
import inspect
import sys
from collections.abc import Iterable, Iterator

# Packages whose classes are the bases of others, and read no such dicts.
FOUNDATIONS = ('builtins', 'abc', 'torch', 'mmengine', 'mmcv', 'typing')
_LOOK_UPS = ('get', 'pop', 'setdefault')
_ASKS = ('hasattr', 'getattr')


def keys_read(kinds: Iterable[type]) -> frozenset[str] | None:
    """Return the keys that classes read from dicts.

    Args:
        kinds: The classes; their bases and the functions that they use are
            included.

    Returns:
        The keys; None if some source is not available.
    """
    modules = {
        base.__module__
        for kind in kinds
        for base in kind.__mro__
        if base.__module__.partition('.')[0] not in FOUNDATIONS
    }
    modules |= {name for module in modules for name in _helpers_of(module)}
    found = [_keys_of_module(name) for name in sorted(modules)]
    known = [keys for keys in found if keys is not None]
    is_whole = len(known) == len(found)
    return frozenset().union(*known) if is_whole else None


def _helpers_of(name: str) -> Iterator[str]:
    """Yield the modules of the functions that a module calls by name."""
    package = name.partition('.')[0]
    for value in vars(sys.modules[name]).values():
        # A function that was compiled from a string has no module.
        if inspect.isfunction(value) and value.__module__ is not None:
            if value.__module__.partition('.')[0] == package:
                yield value.__module__


@functools.cache
def _keys_of_module(name: str) -> frozenset[str] | None:
    try:
        source = inspect.getsource(sys.modules[name])
    except (OSError, TypeError, KeyError):
        return None
    return frozenset(_keys_in(ast.parse(source)))


def _keys_in(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=value, attr=key) if _is_cfg(value):
                yield key
            case ast.Subscript(
                value=value, slice=ast.Constant(value=str(key))
            ) if _is_cfg(value):
                yield key
            case ast.Call(
                func=ast.Attribute(value=value, attr=method),
                args=[ast.Constant(value=str(key)), *_],
            ) if method in _LOOK_UPS and _is_cfg(value):
                yield key
            case ast.Call(
                func=ast.Name(id=asked),
                args=[value, ast.Constant(value=str(key)), *_],
            ) if asked in _ASKS and _is_cfg(value):
                yield key
            case ast.Compare(
                left=ast.Constant(value=str(key)),
                ops=[ast.In() | ast.NotIn()],
                comparators=[value],
            ) if _is_cfg(value):
                yield key


def _is_cfg(node: ast.expr) -> bool:
    """Return whether an expression is, or is a part of, something ...cfg."""
    match node:
        case ast.Name(id=name):
            return name.endswith('cfg')
        case ast.Attribute(value=value, attr=name):
            return name.endswith('cfg') or _is_cfg(value)
        case ast.Subscript(value=value):
            return _is_cfg(value)
        case ast.Call(func=ast.Attribute(value=value)):
            return _is_cfg(value)
    return False
