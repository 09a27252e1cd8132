"""Durations as a person writes and reads them."""

import re

_SECONDS = {'s': 1, 'm': 60, 'min': 60, 'h': 3600, 'd': 86400}
MOST_SECONDS = 3650 * _SECONDS['d']


def parse_time(text: str) -> float:
    """Read a duration such as ``2h``, ``90m``, ``1.5h`` or ``1h30m``.

    Returns:
        Seconds.

    Raises:
        ValueError: If the text is not a duration.
    """
    parts = re.findall(r'(\d+(?:\.\d+)?)(d|h|min|m|s)', text.strip().lower())
    read_back = ''.join(number + unit for number, unit in parts)
    if not parts or read_back != re.sub(r'\s', '', text.lower()):
        raise ValueError(
            f'expected a time such as 2h, 90m, 45s or 1h30m, got {text!r}'
        )
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if seconds > MOST_SECONDS:
        raise ValueError(f'expected a time of up to 3650d, got {text!r}')
    return seconds


def describe_time(seconds: float) -> str:
    """Return a duration in the unit that a person would use."""
    for unit, size, next_size in (
        ('s', 1, 90),
        ('min', 60, 90 * 60),
        ('hours', 3600, 48 * 3600),
    ):
        if seconds < next_size:
            number = seconds / size
            digits = 1 if unit == 'hours' and number < 10 else 0
            return f'{number:.{digits}f} {unit}'
    days = seconds / 86400
    return f'{days:.1f} days' if days < 10 else f'{days:.0f} days'
