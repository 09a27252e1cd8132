"""Check the values of a plan by the types of its fields.

A wrong value would otherwise fail far from the plan, or only when the first
cell that uses it is run, hours later.
"""

from collections.abc import Mapping
from dataclasses import is_dataclass
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

from mmsoco.checkpoints.layouts import PRETRAINED_PARTS

_NAMES: dict[Any, str] = {
    bool: 'True or False',
    int: 'an integer',
    float: 'a number',
    str: 'a text',
    dict: 'a dict',
    NoneType: 'None',
}
# The smallest value of numbers.
_LEAST = {
    **dict.fromkeys(('samples', 'batch_size', 'steps', 'max_seeds'), 1),
    **dict.fromkeys(('num_train', 'num_val', 'image_size'), 1),
    **dict.fromkeys(('seeds', 'held_out', 'trials'), 0),
}
_CHOICES = {'amp': ('bf16', 'fp16'), 'parts': PRETRAINED_PARTS}


def check_value(name: str, value: Any, kind: Any, where: str) -> None:
    """Refuse a value that a field of a plan cannot have.

    Args:
        name: The field.
        value: Its value.
        kind: The field's annotation.
        where: The place of the field, for the message.

    Raises:
        TypeError: If the value is of another type.
        ValueError: If it is too small, or not one of the field's choices.
    """
    if not _fits(value, kind):
        raise TypeError(
            f'{where}: {name} expects {_describe(kind)}, got {value!r}'
        )
    for item in value if isinstance(value, list | tuple) else (value,):
        least = _LEAST.get(name)
        if least is not None and item is not None and item < least:
            raise ValueError(
                f'{where}: {name} expects {least} or more, got {item!r}'
            )
        choices = _CHOICES.get(name, (item,))
        if item is not None and item not in choices:
            raise ValueError(
                f'{where}: {name} expects {" or ".join(choices)}, got {item!r}'
            )


def _fits(value: Any, kind: Any) -> bool:
    """Return whether a value is of an annotated type."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any or any(map(is_dataclass, (kind, *inner))):
        return True  # the parts of a plan are checked by themselves
    if origin is UnionType:
        return any(_fits(value, member) for member in inner)
    if origin is dict:
        return isinstance(value, Mapping) and all(
            _fits(key, inner[0]) and _fits(item, inner[1])
            for key, item in value.items()
        )
    if origin is tuple:
        if not isinstance(value, list | tuple):
            return False
        items = inner[:1] * len(value) if inner[-1] is ... else inner
        return len(items) == len(value) and all(map(_fits, value, items))
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, int | float if kind is float else kind)


def _describe(kind: Any) -> str:
    """Describe a type in words."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is UnionType:
        return ' or '.join(map(_describe, inner))
    if origin is tuple:
        number = '' if inner[-1] is ... else f'{len(inner)} '
        return f'a list of {number}values, each {_describe(inner[0])}'
    if origin is dict:
        return f'a dict of names, each with {_describe(inner[1])}'
    return _NAMES.get(kind, 'a value')
