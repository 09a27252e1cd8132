"""Worker processes that make parts, and how they end."""

import contextlib
import itertools
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Generator, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    Future,
    ProcessPoolExecutor,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, NamedTuple

from mmsoco.proposals.generation.job import Job
from mmsoco.proposals.generation.memory import MemoryLimit
from mmsoco.proposals.generation.worker import (
    PartDone,
    in_hand_path,
    make_part,
)
from mmsoco.utils.stop_signals import (
    StopSignals,
    held_back,
    leave_signals_to_parent,
)

# How often callers can show that the search is alive.
_BEAT_SECONDS = 5.0


class Chunk(NamedTuple):
    """Work for one process: images, and the part to make of them."""

    names: list[str]
    out: Path


class InHand(NamedTuple):
    """An image that a process is searching, and since when, seconds."""

    pid: int
    name: str
    seconds: float


def in_hand(chunks: list[Chunk]) -> Iterator[InHand]:
    """Yield the images that are being searched."""
    paths = [in_hand_path(chunk.out) for chunk in chunks]
    # One look at the folder: of thousands of chunks, few are in hand.
    there = set(os.listdir(paths[0].parent))
    for path in paths:
        if path.name not in there:
            continue
        with contextlib.suppress(FileNotFoundError):
            seconds = time.time() - path.stat().st_mtime
            pid, _, name = path.read_text('utf-8').partition(' ')
            yield InHand(int(pid or 0), name, seconds)


def run_pool(
    job: Job, chunks: list[Chunk], workers: int, limit: MemoryLimit
) -> Generator[PartDone, None, None]:
    """Yield results as parts get done, with few of them in flight.

    Some are empty: the first says that the workers have started, and one
    comes at least every `_BEAT_SECONDS`.

    Raises:
        ChildProcessError: If a worker process dies; the message names the
            image that it was at.
    """
    method = 'fork' if sys.platform == 'linux' else 'spawn'
    pool = ProcessPoolExecutor(
        workers,
        multiprocessing.get_context(method),
        initializer=leave_signals_to_parent,
    )
    processes: dict[int, Any] = {}

    def kill_workers(*_: object) -> None:
        """End the workers at a second signal, which must not raise.

        An exception inside of the pool's shutdown would leave its thread
        waiting for ever for workers that hang.
        """
        for process in list((pool._processes or {}).values()):
            process.kill()

    # The first lets them finish the parts that are begun.
    with StopSignals(second=kill_workers):
        try:
            for result in _results(pool, job, chunks, limit, 2 * workers):
                processes |= pool._processes or {}
                yield result
        except BrokenProcessPool:
            pool.shutdown(wait=True, cancel_futures=True)
            raise ChildProcessError(_obituary(processes, chunks)) from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            for chunk in chunks:
                in_hand_path(chunk.out).unlink(missing_ok=True)


def _results(
    pool: ProcessPoolExecutor,
    job: Job,
    chunks: list[Chunk],
    limit: MemoryLimit,
    most: int,
) -> Generator[PartDone, None, None]:
    """Yield results with at most ``most`` parts in flight; see `run_pool`."""
    waiting = iter(chunks)
    flying: set[Future] = set()
    while True:
        for chunk in itertools.islice(waiting, most - len(flying)):
            with held_back():  # here the pool starts its workers
                future = pool.submit(
                    make_part,
                    job.images,
                    chunk.names,
                    str(chunk.out),
                    job.search,
                    job.filters,
                    job.keep_regions,
                    limit,
                )
            flying.add(future)
        if not flying:
            return
        yield PartDone(0, 0.0)
        finished, flying = wait(flying, _BEAT_SECONDS, FIRST_COMPLETED)
        for future in finished:
            yield future.result()


def _obituary(processes: dict[int, Any], chunks: list[Chunk]) -> str:
    """Name the image that a worker was at when it died.

    The pool ends its other workers by SIGTERM.
    """
    ended = (None, 0, -signal.SIGTERM)
    dead = {
        p for p, process in processes.items() if process.exitcode not in ended
    }
    at = list(in_hand(chunks))
    named = [repr(work.name) for work in at if work.pid in dead]
    named = named or [repr(work.name) for work in at]
    where = f' at image {" or ".join(named)}' if named else ''
    return (
        f'a worker process was killed{where}, most likely because memory ran '
        'out. Finished parts are kept: run again with fewer workers or less '
        'memory for each, or move the image away'
    )
