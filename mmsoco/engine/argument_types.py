"""Refuse plain values that the annotation of an argument does not allow.

A string instead of a number or a boolean often passes a constructor, and then
fails far from it, or silently counts as True.
"""

import inspect
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import NoneType
from typing import Any, get_origin, get_type_hints

from torch import Tensor

from mmsoco.config.value_types import CONTAINER, fits, in_words, members

# In the order in which a message names them.
_PLAIN = (bool, int, float, str, CONTAINER)
# Annotations are often wrong about which containers an argument takes.
_PLAINER: dict[Any, Any] = {
    **dict.fromkeys((list, tuple, dict), CONTAINER),
    **dict.fromkeys((Path, os.PathLike), str),
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
        if kinds and not _fits(value, kinds, fractions):
            expected = ' or '.join(map(in_words, kinds))
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


def _plain_kinds(annotation: Any) -> list[Any]:
    """Return the plain types that an annotation allows.

    Returns:
        The plain types; none if it allows other types too.
    """
    origins = [get_origin(kind) or kind for kind in members(annotation)]
    kinds = {_PLAINER.get(kind, kind) for kind in origins}
    kinds -= {NoneType, Tensor}  # a tensor cannot be in a config
    return [kind for kind in _PLAIN if kind in kinds and kinds <= {*_PLAIN}]


def _fits(value: Any, kinds: list[Any], fractions: bool) -> bool:
    """Return whether a value is of one of some plain types, or an object."""
    is_switch = bool in kinds and isinstance(value, int) and value in (0, 1)
    is_count = (
        int in kinds
        and isinstance(value, float)
        and (fractions or value.is_integer())  # 12.0 epochs are valid
    )
    is_object = not any(fits(value, kind) for kind in _PLAIN)
    fits_kind = any(fits(value, kind) for kind in kinds)
    return is_switch or is_count or is_object or fits_kind
