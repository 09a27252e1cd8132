"""Worker processes that make parts, and how they end."""

import multiprocessing
import signal
import sys
from collections.abc import Generator
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


class Chunk(NamedTuple):
    """Work for one process: images, and the part to make of them."""

    names: list[str]
    out: Path


def run_pool(
    job: Job, chunks: list[Chunk], workers: int, limit: MemoryLimit
) -> Generator[PartDone, None, None]:
    """Yield results as parts get done, with few of them in flight.

    The first is empty: it says that the workers have started.

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
        for chunk in waiting:
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
            if len(flying) >= most:
                break
        if not flying:
            return
        yield PartDone(0, 0.0)
        finished, flying = wait(flying, return_when=FIRST_COMPLETED)
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
    at: dict[int, str] = {}
    for chunk in chunks:
        path = in_hand_path(chunk.out)
        if path.exists():
            pid, _, name = path.read_text('utf-8').partition(' ')
            at[int(pid or 0)] = name
    named = [repr(name) for pid, name in at.items() if pid in dead]
    named = named or [repr(name) for name in at.values()]
    where = f' at image {" or ".join(named)}' if named else ''
    return (
        f'a worker process was killed{where}, most likely because memory ran '
        'out. Finished parts are kept: run again with fewer workers or less '
        'memory for each, or move the image away'
    )
