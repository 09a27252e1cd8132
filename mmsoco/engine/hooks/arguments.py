"""Checks that several hooks make of their arguments."""

from typing import Any


def check_interval(owner: object, name: str, value: Any) -> None:
    """Refuses an interval that is not a whole number of at least 1.

    Args:
        owner: whose argument it is, for the message.
        name: the argument.
        value: its value.

    Raises:
        ValueError: the value is something else.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(
            f'{type(owner).__name__} expects {name} to be a whole number of '
            f'at least 1, but got {value!r}.'
        )
