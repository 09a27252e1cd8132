"""Worker processes that make parts, and how they end."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator
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
from mmsoco.utils.termination import ENDING


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
    with _second_signal_kills(pool):
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
def _second_signal_kills(pool: ProcessPoolExecutor) -> Iterator[None]:
    """Let a first signal finish the parts that are begun, and a second not.

    A signal is Ctrl-C or, where they raise, SIGTERM and SIGHUP. The second
    must not raise: a `KeyboardInterrupt` inside of the pool's shutdown leaves
    its thread waiting for the workers, which ignore Ctrl-C, for ever.
    """
    numbers = (signal.SIGINT, *ENDING)
    previous: dict[int, Callable[[int, Any], Any]] = {
        number: handler
        for number in numbers
        # Neither ignored, nor one that ends this process.
        if callable(handler := signal.getsignal(number))
    }
    if threading.current_thread() is not threading.main_thread():
        previous = {}  # signals are not this thread's affair
    times = 0

    def interrupt(number: int, frame: Any) -> None:
        """Stop in good order at first, then end the workers."""
        nonlocal times
        times += 1
        if times == 1:
            previous[number](number, frame)
            return
        for process in list((pool._processes or {}).values()):
            process.kill()

    for number in previous:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _start_worker() -> None:
    """Leave signals of the terminal to the parent, and never outlive it."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # how the pool ends them
    parent = multiprocessing.parent_process()
    assert parent is not None  # a worker has one

    def exit_with_parent() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=exit_with_parent, daemon=True).start()
