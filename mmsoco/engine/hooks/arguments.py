"""Check arguments that several hooks have."""

from typing import Any

from mmsoco.engine.values import check_whole


def check_interval(owner: object, name: str, value: Any) -> None:
    """Refuse an interval that is not a whole number of at least 1.

    Args:
        owner: whose argument it is, for the message.
        name: the argument.
        value: its value.

    Raises:
        ValueError: If the value is something else.
    """
    check_whole(f'{type(owner).__name__}: {name}', value)
