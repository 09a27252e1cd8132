"""What all benchmarks share: settings first, alternated runs, medians."""

import os
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import torch

from mmsoco.utils.files import write_json
from mmsoco.utils.machine import describe_machine

Clock = Callable[[], float]


class Row(NamedTuple):
    """One line of a benchmark's table.

    Attributes:
        name: What was measured.
        value: The figure.
        unit: Its unit.
        ratio: The figure in units of the yardstick's, if there is one.
    """

    name: str
    value: float
    unit: str
    ratio: float | None = None


def use_one_thread() -> None:
    """Keep torch and OpenCV to one thread, as in a data worker."""
    torch.set_num_threads(1)
    cv2.setNumThreads(0)


def print_settings(settings: dict[str, Any]) -> None:
    """Print machine, versions and settings.

    Args:
        settings: What the benchmark was asked to do.
    """
    load = ', '.join(f'{x:.1f}' for x in os.getloadavg())
    for name, text in [*describe_machine(), ('load', load)]:
        print(f'{name:<10} {text}')
    for name, value in settings.items():
        print(f'{name:<10} {value}')
    print(flush=True)


def alternate(
    cases: dict[str, Callable[[], Any]],
    rounds: int,
    warm_up: int = 1,
    clock: Clock = time.process_time,
) -> dict[str, list[float]]:
    """Time several cases in turn, so that a busy machine slows all alike.

    Args:
        cases: Functions by name. The order turns round from round to round,
            or the second would always find the first's data in the cache.
        rounds: Timed calls of each.
        warm_up: Calls of each before, not timed.
        clock: Where to read seconds; the process's CPU time by default.

    Returns:
        Seconds of each timed call, by name.
    """
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(-warm_up, rounds):
        names = list(cases)[:: 1 if number % 2 else -1]
        for name in names:
            start = clock()
            cases[name]()
            if number >= 0:
                seconds[name].append(clock() - start)
    return seconds


def median_rows(
    seconds: dict[str, Sequence[float]], yardstick: str, unit: str
) -> list[Row]:
    """Make a row in milliseconds of each case's median.

    Args:
        seconds: Times by name.
        yardstick: The case that the others are held against.
        unit: What one call is, such as ``'image'``.
    """
    medians = {name: statistics.median(t) for name, t in seconds.items()}
    return [
        Row(name, 1e3 * m, f'ms/{unit}', m / medians[yardstick])
        for name, m in medians.items()
    ]


def report(
    command: str, settings: dict[str, Any], rows: list[Row], out: Path | None
) -> None:
    """Print a table and write it as JSON.

    Args:
        command: The benchmark's name.
        settings: What it was asked to do.
        rows: The table.
        out: JSON file to write, if any.
    """
    width = max(len(row.name) for row in rows)
    for row in rows:
        ratio = '' if row.ratio is None else f'{row.ratio:8.3f} x'
        print(f'{row.name:<{width}} {row.value:12.3f} {row.unit:<12}{ratio}')
    if out is None:
        return
    content = dict(
        benchmark=command,
        machine=dict(describe_machine()),
        settings={k: str(v) for k, v in settings.items()},
        rows=[row._asdict() for row in rows],
    )
    write_json(out, content, indent=2)
