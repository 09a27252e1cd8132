"""Make the proposals of a whole image set, on all cores.

Each worker process takes a chunk of images, writes their part of the store
and takes the next; the parent only counts. Memory does not grow with the
number of images beyond their names.
"""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from mmsoco.images.errors import UnreadableImageError
from mmsoco.images.reading import decode_size
from mmsoco.proposals.generation.finished import Finished
from mmsoco.proposals.generation.job import Job, refuse_other_job
from mmsoco.proposals.generation.memory import MemoryLimit
from mmsoco.proposals.generation.parts import Parts, exclusive, remove_parts
from mmsoco.proposals.generation.pool import Chunk, in_hand, run_pool
from mmsoco.proposals.generation.worker import warm_up
from mmsoco.proposals.search.kernels import are_cached
from mmsoco.proposals.search.spec import SearchSpec
from mmsoco.proposals.store import ProposalStore
from mmsoco.utils.files import refuse_existing

_MAX_CHUNK = 64
_CHUNKS_PER_WORKER = 16
# How often images that change during the search are done again.
_MAX_ROUNDS = 3
# Searches of usual photographs take less than a second.
_SLOW_SECONDS = 15.0


@dataclass(frozen=True)
class Summary:
    """What a call of the generator did.

    Attributes:
        store: The finished store.
        made: Images worked on by this call; the others were there.
        seconds: Wall time of this call.
        search_seconds: The part of it in which workers searched, without
            start-up, compilation and the joining of parts.
        cpu_seconds: CPU time of the workers.
    """

    store: ProposalStore
    made: int
    seconds: float
    search_seconds: float
    cpu_seconds: float


def generate(
    job: Job,
    workers: int,
    overwrite: bool = False,
    report: Callable[[str], None] = print,
    progress: Callable[[int], None] = lambda done: None,
) -> Summary:
    """Make a store, continuing after interrupted calls.

    Images whose files have not changed are not searched again, neither those
    of an old store nor those of the parts of an interrupted call.

    Args:
        job: What to make.
        workers: Processes, each on one thread.
        overwrite: Throw away an old store and old parts of that name.
        report: Called with a line on the progress.
        progress: Called with the number of images done: at the start of the
            search, and whenever it has grown.

    Returns:
        A summary; ``made`` is 0 if the store was already complete.

    Raises:
        FileExistsError: If the store or its parts are of another job.
        StoreError: If an old store is damaged.
        ValueError: If no image is readable, or ``workers`` is below 1.
        OSError: If writing fails, for example if the disk is full. Finished
            parts stay, here and below.
        ChildProcessError: If a worker process dies.
    """
    if workers < 1:
        raise ValueError(f'expected 1 worker or more, got {workers}')
    started = time.perf_counter()
    refuse_existing(job.out_path, overwrite=True, kind='proposal store')
    limit = job.memory_limit(workers)
    with exclusive(job.out_path):
        if overwrite:
            _clear(job)
        refuse_other_job(job)
        parts = Parts(job)
        finished = parts.gather(limit, report)
        if finished.is_store(job.out_path):
            # A kill just before the end leaves parts next to the store.
            remove_parts(job.out_path)
            return Summary(ProposalStore(job.out_path), 0, 0.0, 0.0, 0.0)
        _refuse_other_images(job, finished)
        _say_what_is_done(job, finished, report)
        made, search_seconds, cpu_seconds = 0, 0.0, 0.0
        for _ in range(_MAX_ROUNDS):
            missing = finished.missing()
            if not missing:
                break
            wall, cpu = _make_parts(
                parts, missing, workers, limit, report, progress
            )
            search_seconds += wall
            cpu_seconds += cpu
            made += len(missing)
            # Images may have changed while they were worked on.
            finished = parts.gather(limit, report)
        else:
            report(f'{len(finished.missing())} images keep changing')
        _refuse_all_unreadable(parts, finished)
        parts.join(finished)
    seconds = time.perf_counter() - started
    store = ProposalStore(job.out_path)
    return Summary(store, made, seconds, search_seconds, cpu_seconds)


def _clear(job: Job) -> None:
    """Remove the store, its regions and its parts."""
    job.out_path.unlink(missing_ok=True)
    job.regions_path.unlink(missing_ok=True)
    remove_parts(job.out_path)


def _refuse_other_images(job: Job, finished: Finished) -> None:
    """Raise FileExistsError if most of an old store would be lost."""
    if finished.other_root is not None:
        _refuse_other_root(job, finished)
    kept = finished.num_kept() + len(finished.changed)
    if job.out_path.exists() and finished.gone > kept:
        raise FileExistsError(
            f'{str(job.out_path)!r} exists, but {finished.gone} of its images '
            f'are not in the list of {len(job.names)}, and only {kept} are. '
            'Choose another name, or --overwrite'
        )


def _refuse_other_root(job: Job, finished: Finished) -> None:
    """Raise FileExistsError unless the images of another place were moved."""
    kept, other = finished.num_kept(), len(finished.changed) + finished.gone
    if other > kept:
        raise FileExistsError(
            f'{str(job.out_path)!r} or its parts were made of the images in '
            f'{finished.other_root!r}; {other} of them are not the same in '
            f'{job.images.address!r}, and {kept} are. Choose another name, or '
            '--overwrite'
        )


def _say_what_is_done(
    job: Job, finished: Finished, report: Callable[[str], None]
) -> None:
    total = len(finished.names)
    left = len(finished.missing())
    if 0 < left < total:
        report(f'continuing after {total - left} of {total} images')
    if finished.other_root is not None:
        report(f'the images were in {finished.other_root!r} before')
    if finished.changed:
        report(
            f'{len(finished.changed)} images have changed and are done again, '
            f'such as {finished.changed[0]!r}'
        )
    if finished.gone:
        report(f'{finished.gone} images are gone and left out')
    if isinstance(job.search, SearchSpec) and not are_cached():
        report('compiling the search, once on this machine: half a minute')


def _refuse_all_unreadable(parts: Parts, finished: Finished) -> None:
    """Raise ValueError if not one image was readable."""
    unreadable = finished.unreadable_entries()
    if not unreadable or finished.num_kept():
        return
    # Without parts the next call tries the repaired images again.
    remove_parts(parts.job.out_path)
    first = unreadable[0]
    raise ValueError(
        f'none of the {len(unreadable)} images in '
        f'{parts.job.image_root!r} is readable; the first, '
        f'{first["file_name"]!r}: {first["reason"]}. Check the folder and the '
        'files'
    )


def _make_parts(
    parts: Parts,
    missing: list[str],
    workers: int,
    limit: MemoryLimit,
    report: Callable[[str], None],
    progress: Callable[[int], None],
) -> tuple[float, float]:
    """Make parts of the missing images; return wall and CPU seconds."""
    total = len(parts.job.names)
    size = -(-len(missing) // (workers * _CHUNKS_PER_WORKER))
    size = min(max(size, 1), _MAX_CHUNK)
    starts = range(0, len(missing), size)
    chunks = [
        Chunk(missing[start : start + size], path)
        for start, path in zip(starts, parts.new_paths(), strict=False)
    ]
    parts.begin()
    warm_up(parts.job.search)
    cpu_seconds, done = 0.0, total - len(missing)
    slow = _SlowImages(parts.job, report)
    with closing(
        run_pool(parts.job, chunks, min(workers, len(chunks)), limit)
    ) as results:
        next(results)  # the workers are there
        start = time.perf_counter()
        progress(done)
        for result in results:
            cpu_seconds += result.cpu_seconds
            done += result.images
            slow.look(chunks)
            progress(done)
    return time.perf_counter() - start, cpu_seconds


def advice_on_size(height: int, width: int) -> str:
    """Say how long the search of an image takes, and how to shorten it.

    Args:
        height: Pixels.
        width: Pixels.
    """
    return (
        'the search takes about a second per megapixel, here '
        f'{height * width / 1e6:.0f}. To search large images at a smaller '
        'size: `mmsoco propose` with --memory MIB --shrink'
    )


class _SlowImages:
    """Report each image whose search takes long, once.

    Args:
        job: What is made.
        report: Called with a line.
    """

    def __init__(self, job: Job, report: Callable[[str], None]) -> None:
        self._job = job
        self._report = report
        self._told: set[str] = set()
        self._looked = time.monotonic()

    def look(self, chunks: list[Chunk]) -> None:
        """Look at the images that are being searched, from time to time."""
        now = time.monotonic()
        if now - self._looked < _SLOW_SECONDS / 3:
            return  # there may be thousands of chunks
        self._looked = now
        for work in in_hand(chunks):
            if work.seconds < _SLOW_SECONDS or work.name in self._told:
                continue
            self._told.add(work.name)
            try:
                data = self._job.images.read(work.name)
                height, width = decode_size(data, work.name)
            except UnreadableImageError:
                continue  # its worker says why
            text = (
                f'{work.name} ({width} x {height} pixels) has been searched '
                f'for {work.seconds:.0f} s'
            )
            if isinstance(self._job.search, SearchSpec):
                text += f'; {advice_on_size(height, width)}'
            self._report(text)
