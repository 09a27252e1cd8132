"""Proposal store: size, opening, memory and random reads.

Makes a store of synthetic entries (by default as many as ImageNet has
images, each with about 25 boxes), then reads it at random from several
processes at once, as data workers do.
"""

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from harness import Row, alternate

from mmsoco.proposals.store import (
    ProposalRecord,
    ProposalStore,
    ProposalStoreWriter,
)

MEAN_BOXES = 25


class WorkerFigures(NamedTuple):
    """What one reading process measured.

    Attributes:
        seconds: Time of all reads.
        private: Bytes of memory the process added for itself.
        shared: Bytes of the file's pages it looks at, shared by all.
    """

    seconds: float
    private: int
    shared: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the benchmark's arguments."""
    parser.add_argument('--images', type=int, default=1281167)
    parser.add_argument('--workers', type=int, default=8)
    parser.add_argument('--reads', type=int, default=20000, help='per worker')


def measure(args: argparse.Namespace) -> list[Row]:
    """Write, open and read a store."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'store.arrow')
        start = time.perf_counter()
        with ProposalStoreWriter(path) as writer:
            writer.write(synthetic_records(args.images))
        written = time.perf_counter() - start
        opened = alternate(
            {'': lambda: ProposalStore(path)}, 9, clock=time.perf_counter
        )['']
        figures = read_from_workers(path, args.workers, args.reads)
        size = path.stat().st_size
    slowest = max(f.seconds for f in figures)
    mib = 2**20
    return [
        Row('images', args.images, 'images'),
        Row('size on disk', size / args.images, 'bytes/image'),
        Row('write', args.images / written, 'images/s'),
        Row('open', 1e3 * statistics.median(opened), 'ms'),
        Row(
            'private memory of a worker',
            statistics.median(f.private for f in figures) / mib,
            'MiB',
        ),
        Row(
            'shared pages seen by a worker',
            statistics.median(f.shared for f in figures) / mib,
            'MiB',
        ),
        Row(
            f'random reads of {args.workers} workers',
            args.workers * args.reads / slowest,
            'reads/s',
        ),
        Row(
            'random read of one worker',
            1e6 * statistics.median(f.seconds for f in figures) / args.reads,
            'us',
        ),
    ]


def synthetic_records(count: int) -> Iterator[ProposalRecord]:
    """Yield records with names and numbers of boxes as ImageNet has them.

    Args:
        count: How many.
    """
    rng = np.random.default_rng(0)
    pool = rng.integers(0, 240, (4096, 4)).astype(np.float32)
    pool[:, 2:] += pool[:, :2] + 1
    numbers = rng.poisson(MEAN_BOXES, count)
    starts = rng.integers(0, len(pool) - numbers.max(), count)
    for i in range(count):
        name = f'n{i // 1300:08d}/n{i // 1300:08d}_{i:08d}.JPEG'
        bboxes = pool[starts[i] : starts[i] + numbers[i]]
        yield ProposalRecord(name, 500, 500, bboxes)


def read_from_workers(
    path: Path, workers: int, reads: int
) -> list[WorkerFigures]:
    """Read a store at random from several processes at once."""
    context = multiprocessing.get_context('fork')
    with context.Pool(workers) as pool:
        jobs = [(str(path), reads, seed) for seed in range(workers)]
        return pool.starmap(_read, jobs, chunksize=1)


def _read(path: str, reads: int, seed: int) -> WorkerFigures:
    before = memory()
    store = ProposalStore(path)
    indices = np.random.default_rng(seed).integers(0, len(store), reads)
    start = time.perf_counter()
    for index in indices.tolist():
        store[index]
    seconds = time.perf_counter() - start
    after = memory()
    return WorkerFigures(
        seconds, *(b - a for a, b in zip(before, after, strict=True))
    )


def memory() -> tuple[int, int]:
    """Return the resident bytes of this process: its own, of files."""
    status = Path('/proc/self/status').read_text()
    kib = {
        line.split(':')[0]: int(line.split()[1])
        for line in status.splitlines()
        if line.startswith('Rss')
    }
    return 1024 * kib['RssAnon'], 1024 * kib['RssFile']
