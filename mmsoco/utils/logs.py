"""Keep log lines off the console, but in the log file."""

import contextlib
import logging
from collections.abc import Iterator


@contextlib.contextmanager
def off_console(logger: logging.Logger) -> Iterator[None]:
    """Show only warnings of a logger on the console; its files get all.

    The level of the logger itself does not change, since it applies to files
    too.

    Args:
        logger: The logger; its console is restored afterwards.
    """
    consoles = [
        handler
        for handler in logger.handlers
        if isinstance(handler, logging.StreamHandler)
        and not isinstance(handler, logging.FileHandler)
    ]
    levels = [handler.level for handler in consoles]
    for handler in consoles:
        handler.setLevel(max(handler.level, logging.WARNING))
    try:
        yield
    finally:
        for handler, level in zip(consoles, levels, strict=True):
            handler.setLevel(level)
