"""Make the proposals of a whole image set, on all cores.

Each worker process takes a chunk of images, writes their part of the store
and takes the next; the parent only counts. Memory does not grow with the
number of images beyond their names.
"""

import multiprocessing
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    Future,
    ProcessPoolExecutor,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from tqdm import tqdm

from mmsoco.proposals.generation.job import Job, is_complete
from mmsoco.proposals.generation.parts import Parts, exclusive, parts_folder
from mmsoco.proposals.generation.worker import PartDone, make_part, warm_up
from mmsoco.proposals.store import ProposalStore

_MAX_CHUNK = 64
_CHUNKS_PER_WORKER = 16


@dataclass(frozen=True)
class Summary:
    """What a call of the generator did.

    Attributes:
        store: The finished store.
        made: Images worked on by this call; the others were there.
        seconds: Wall time of this call.
        cpu_seconds: CPU time of the workers.
    """

    store: ProposalStore
    made: int
    seconds: float
    cpu_seconds: float


def generate(
    job: Job,
    workers: int,
    overwrite: bool = False,
    report: Callable[[str], None] = print,
) -> Summary:
    """Make a store, going on from the finished parts of an earlier call.

    Args:
        job: What to make.
        workers: Processes, each on one thread.
        overwrite: Throw away an old store and old parts of that name.
        report: Told in a line what is going on.

    Returns:
        A summary; ``made`` is 0 where the store was complete already.

    Raises:
        FileExistsError: If the store or its parts are of another job.
        ValueError: If no image is readable, or ``workers`` is below 1.
        OSError: If writing fails, for one if the disk is full. Finished
            parts stay, here and below.
        ChildProcessError: If a worker process dies.
    """
    if workers < 1:
        raise ValueError(f'expected 1 worker or more, got {workers}')
    started = time.perf_counter()
    with exclusive(job.out_path):
        if overwrite:
            _clear(job)
        elif is_complete(job):
            # A kill just before the end leaves parts beside the store.
            _remove_parts(job)
            return Summary(ProposalStore(job.out_path), 0, 0.0, 0.0)
        chunk = -(-len(job.names) // (workers * _CHUNKS_PER_WORKER))
        parts = Parts(job, min(max(chunk, 1), _MAX_CHUNK))
        made, cpu_seconds = _make_parts(parts, workers, report)
        _refuse_all_unreadable(parts)
        parts.join()
    seconds = time.perf_counter() - started
    return Summary(ProposalStore(job.out_path), made, seconds, cpu_seconds)


def _clear(job: Job) -> None:
    """Remove the store, its regions and its parts."""
    job.out_path.unlink(missing_ok=True)
    job.regions_path.unlink(missing_ok=True)
    _remove_parts(job)


def _remove_parts(job: Job) -> None:
    """Remove the parts, if there are any."""
    if parts_folder(job.out_path).exists():
        shutil.rmtree(parts_folder(job.out_path))


def _refuse_all_unreadable(parts: Parts) -> None:
    """Raise ValueError if not one image was readable."""
    unreadable = parts.unreadable()
    if not unreadable or len(unreadable) < len(parts.names):
        return
    # Without parts the next call tries the repaired images again.
    _remove_parts(parts.job)
    first = unreadable[0]
    raise ValueError(
        f'none of the {len(unreadable)} images in '
        f'{parts.job.image_root!r} is readable; the first, '
        f'{first["file_name"]!r}: {first["reason"]}. Check the folder and the '
        'files'
    )


def _make_parts(
    parts: Parts, workers: int, report: Callable[[str], None]
) -> tuple[int, float]:
    """Make the missing parts; return images made and CPU seconds."""
    missing = parts.missing()
    left = sum(len(parts.chunk(number)) for number in missing)
    done = len(parts.names) - left
    if not missing:
        return 0, 0.0
    if done:
        report(f'going on after {done} of {len(parts.names)} images')
    warm_up()
    cpu_seconds = 0.0
    with closing(
        _run_pool(parts, missing, min(workers, len(missing)))
    ) as results:
        # Before the bar starts a thread of its own: forking wants none.
        next(results)
        bar = tqdm(
            total=len(parts.names),
            initial=done,
            unit='images',
            dynamic_ncols=True,
        )
        with bar:
            for result in results:
                cpu_seconds += result.cpu_seconds
                bar.update(result.images)
    return left, cpu_seconds


def _run_pool(
    parts: Parts, missing: list[int], workers: int
) -> Iterator[PartDone]:
    """Yield results as parts get done, with few of them in flight.

    The first is empty: it says that the workers have started.
    """
    method = 'fork' if sys.platform == 'linux' else 'spawn'
    pool = ProcessPoolExecutor(
        workers,
        multiprocessing.get_context(method),
        initializer=_start_worker,
    )
    with _second_ctrl_c_kills(pool):
        try:
            yield from _results(pool, parts, missing, 2 * workers)
        except BrokenProcessPool:
            raise ChildProcessError(
                'a worker process was killed, most likely for want of memory '
                '(a very large image?). Finished parts are kept: call again, '
                'with fewer --workers if it happens again'
            ) from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _results(
    pool: ProcessPoolExecutor, parts: Parts, missing: list[int], limit: int
) -> Iterator[PartDone]:
    """Yield results with at most `limit` parts in flight; see `_run_pool`."""
    job = parts.job
    numbers = iter(missing)
    flying: set[Future] = set()
    while True:
        for number in numbers:
            flying.add(
                pool.submit(
                    make_part,
                    job.image_root,
                    parts.chunk(number),
                    str(parts.path(number)),
                    job.search,
                    job.filters,
                    job.keep_regions,
                )
            )
            if len(flying) >= limit:
                break
        if not flying:
            return
        yield PartDone(0, 0.0)
        finished, flying = wait(flying, return_when=FIRST_COMPLETED)
        for future in finished:
            yield future.result()


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
