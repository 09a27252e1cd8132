"""Compare plain values with annotations, and describe annotations in words."""

from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

CONTAINER = list | tuple | dict
_UNIONS = (Union, UnionType)
_WORDS: dict[Any, str] = {
    bool: 'True or False',
    int: 'an integer',
    float: 'a number',
    str: 'a text',
    NoneType: 'None',
    CONTAINER: 'a list or dict',
}


def members(annotation: Any) -> tuple[Any, ...]:
    """Return the types of a union; another type alone."""
    is_union = get_origin(annotation) in _UNIONS
    return get_args(annotation) if is_union else (annotation,)


def fits(value: Any, annotation: Any) -> bool:
    """Return whether a value is of an annotated type.

    True and False are not numbers, an integer is also a float, and a list is
    as good as a tuple.
    """
    origin, inner = get_origin(annotation), get_args(annotation)
    if annotation is Any:
        return True
    if origin in _UNIONS:
        return any(fits(value, member) for member in inner)
    if origin is dict:
        return isinstance(value, Mapping) and all(
            fits(key, inner[0]) and fits(item, inner[1])
            for key, item in value.items()
        )
    if origin is tuple:
        if not isinstance(value, list | tuple):
            return False
        items = inner[:1] * len(value) if inner[-1] is ... else inner
        return len(items) == len(value) and all(map(fits, value, items))
    if isinstance(value, bool):
        return annotation is bool
    return isinstance(
        value, int | float if annotation is float else annotation
    )


def in_words(annotation: Any) -> str:
    """Describe the values that fit an annotation."""
    if annotation in _WORDS:
        return _WORDS[annotation]
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in _UNIONS:
        return ' or '.join(map(in_words, inner))
    if origin is tuple:
        number = '' if inner[-1] is ... else f'{len(inner)} '
        return f'a list of {number}values, each {in_words(inner[0])}'
    if origin is dict:
        return f'a dict of names, each with {in_words(inner[1])}'
    return 'a value'
