"""Where log lines go: all of them to the log file, some to the console."""

import contextlib
import logging
from collections.abc import Iterator


@contextlib.contextmanager
def off_console(logger: logging.Logger) -> Iterator[None]:
    """Show only warnings of a logger on the console; its files get all.

    The level of the logger itself stays: it decides what files get.

    Args:
        logger: The logger; its console is set back afterwards.
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
