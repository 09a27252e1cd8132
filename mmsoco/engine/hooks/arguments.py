"""Checks that several hooks make of their arguments."""

from collections.abc import Mapping
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


def check_hooks(key: str, hooks: Mapping) -> None:
    """Refuses hooks of an interval of 0, which would never run in silence.

    Args:
        key: where the config has the hooks, for the message.
        hooks: by name: hooks, their configs, or None.

    Raises:
        ValueError: an interval is 0, negative (but -1) or no whole number.
    """
    for name, hook in hooks.items():
        if not isinstance(hook, Mapping) or hook.get('interval') is None:
            continue
        interval = hook['interval']
        is_number = isinstance(interval, int) and not isinstance(
            interval, bool
        )
        if not is_number or (interval < 1 and interval != -1):
            raise ValueError(
                f'{key}.{name}.interval expects a whole number of at least '
                f'1, but got {interval!r}. To run without this hook set '
                f'{key}.{name}=None.'
            )
