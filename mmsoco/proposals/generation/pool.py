"""Worker processes that make parts, and how they end."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Generator, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    Future,
    ProcessPoolExecutor,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from mmsoco.proposals.generation.job import Job
from mmsoco.proposals.generation.memory import MemoryLimit
from mmsoco.proposals.generation.worker import (
    PartDone,
    in_hand_path,
    make_part,
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
        initializer=_start_worker,
    )
    processes: dict[int, Any] = {}
    with _second_ctrl_c_kills(pool):
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
            flying.add(
                pool.submit(
                    make_part,
                    job.images,
                    chunk.names,
                    str(chunk.out),
                    job.search,
                    job.filters,
                    job.keep_regions,
                    limit,
                )
            )
            if len(flying) >= most:
                break
        if not flying:
            return
        yield PartDone(0, 0.0)
        finished, flying = wait(flying, return_when=FIRST_COMPLETED)
        for future in finished:
            yield future.result()


def _obituary(processes: dict[int, Any], chunks: list[Chunk]) -> str:
    """Say which image a worker was at when it died.

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


@contextmanager
def _second_ctrl_c_kills(pool: ProcessPoolExecutor) -> Iterator[None]:
    """Let one Ctrl-C finish the parts that are begun, and a second end them.

    The second must not raise: a `KeyboardInterrupt` inside of the pool's
    shutdown leaves its thread waiting for the workers, which ignore SIGINT,
    for ever.
    """
    previous = signal.getsignal(signal.SIGINT)
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or not callable(previous):
        yield  # Ctrl-C is ignored, or not this thread's affair
        return
    presses = 0

    def interrupt(number: int, frame: Any) -> None:
        """Stop in good order at first, then end the workers."""
        nonlocal presses
        presses += 1
        if presses == 1:
            previous(number, frame)
            return
        for process in list((pool._processes or {}).values()):
            process.kill()

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def _start_worker() -> None:
    """Leave Ctrl-C to the parent, and never outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def exit_with_parent() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=exit_with_parent, daemon=True).start()
