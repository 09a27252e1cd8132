"""Refuse plain values that the annotation of an argument does not allow.

A string instead of a number or a boolean often passes a constructor, and then
fails far from it, or silently counts as True.
"""

import inspect
import os
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from torch import Tensor

# Annotations are often wrong about which containers an argument takes.
_CONTAINERS = (list, tuple, dict)
_NAMES: dict[type, str] = {
    bool: 'True or False',
    int: 'an integer',
    float: 'a number',
    str: 'a text',
    list: 'a list or dict',
}


def check_types_of_arguments(
    place: str, node: Mapping, built: Callable, fractions: bool = False
) -> None:
    """Refuse values of another type than a class annotates.

    None passes, because many annotations omit it. So does any value of an
    argument that may be an object of some class.

    Args:
        place: Key of the dict in its config.
        node: The dict.
        built: The class that gets its entries as arguments.
        fractions: Whether an integer may be a fraction, as lengths in epochs
            that are converted into iterations.

    Raises:
        ValueError: The first such value; the message names its key.
    """
    hints = _annotations(built)
    for key, value in node.items():
        kinds = _plain_kinds(hints.get(key, Any))
        is_fraction = fractions and int in kinds and isinstance(value, float)
        if kinds and not is_fraction and not _fits(value, kinds):
            expected = ' or '.join(_NAMES[kind] for kind in kinds)
            raise ValueError(
                f'{place}.{key} expects {expected}, got {value!r}'
            )


def _annotations(built: Callable) -> dict[str, Any]:
    """Return the annotations of a constructor's arguments by name.

    Arguments that a class passes on by ``**kwargs`` are those of its bases.
    """
    found: dict[str, Any] = {}
    for kind in getattr(built, '__mro__', ()):
        maker = vars(kind).get('__init__')
        if not inspect.isfunction(maker):
            continue
        try:
            found = {**get_type_hints(maker), **found}
        except (NameError, TypeError):  # names that only type checkers know
            break
        parameters = inspect.signature(maker).parameters.values()
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return found


def _plain_kinds(annotation: Any) -> list[type]:
    """Return the plain types that an annotation allows.

    Returns:
        The plain types; none if it allows other types too.
    """
    kinds = set(_members(annotation))
    return [k for k in _NAMES if k in kinds] if kinds <= {*_NAMES} else []


def _members(annotation: Any) -> Iterator[Any]:
    """Yield the types of a union; ``list`` stands for all containers."""
    origin = get_origin(annotation) or annotation
    if origin in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from _members(member)
    elif origin in (type(None), Tensor):
        return  # a tensor cannot be in a config
    elif origin in _CONTAINERS:
        yield list
    elif origin in (Path, os.PathLike):
        yield str
    else:
        yield origin


def _fits(value: Any, kinds: list[type]) -> bool:
    """Return whether a value is of one of some plain types."""
    match value:
        case bool():
            return bool in kinds
        case int():
            as_switch = bool in kinds and value in (0, 1)
            return int in kinds or float in kinds or as_switch
        case float():  # 12.0 epochs are valid
            return float in kinds or (int in kinds and value.is_integer())
        case str():
            return str in kinds
        case list() | tuple() | dict():
            return list in kinds
    return True
