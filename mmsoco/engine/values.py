"""Refuse values of settings that are out of range, by the setting's key."""

import math
from typing import Any

MAX_SEED = 2**32 - 1  # of numpy's generators


def check_whole(
    key: str, value: Any, lowest: int = 1, floats: bool = True
) -> None:
    """Refuse a value that is not a whole number above some limit.

    Args:
        key: The setting, for the message.
        value: Its value.
        lowest: The smallest number.
        floats: Whether 2.0 counts as 2.

    Raises:
        ValueError: If the value is something else.
    """
    kinds = int | float if floats else int
    if not (
        is_number(value)
        and isinstance(value, kinds)
        and value == value // 1
        and value >= lowest
    ):
        kind = 'a whole number' if floats else 'an integer'
        raise ValueError(
            f'{key} expects {kind} of at least {lowest}, but got {value!r}.'
        )


def check_interval(owner: object, name: str, value: Any) -> None:
    """Refuse an argument of a hook that is not a whole number of at least 1.

    Args:
        owner: The hook, for the message.
        name: The argument.
        value: Its value.

    Raises:
        ValueError: If the value is something else.
    """
    check_whole(f'{type(owner).__name__}: {name}', value)


def check_not_negative(key: str, value: Any) -> None:
    """Refuse a value that is not a finite number of at least 0.

    Args:
        key: The setting, for the message.
        value: Its value.

    Raises:
        ValueError: If the value is something else.
    """
    if not (is_number(value) and 0 <= value < math.inf):
        raise ValueError(
            f'{key} expects a finite number of at least 0, but got {value!r}.'
        )


def check_switch(key: str, value: Any) -> None:
    """Refuse a string such as "maybe", which Python treats as True.

    Args:
        key: The setting, for the message.
        value: Its value; None passes.

    Raises:
        ValueError: If the value is something else.
    """
    if value not in (None, True, False):
        raise ValueError(f'{key} expects True or False, got {value!r}.')


def is_number(value: Any) -> bool:
    """Return whether a value is a number; booleans and NaN are not."""
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and not math.isnan(value)
    )
