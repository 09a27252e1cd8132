"""Images in one tar file and as loose files: files opened, memory, speed.

Packs the images of a folder, reads all of them at random places from both,
and counts what is opened. Then workers look up synthetic entries, in a
proposal store and in the index of a tar file without one.
"""

import argparse
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from harness import Row, alternate
from store_speed import read_from_workers, synthetic_records

from mmsoco.images.opening import ImageFolder
from mmsoco.images.packing import pack
from mmsoco.images.source import Extent, ImageSource
from mmsoco.images.stamps import FileStamp
from mmsoco.images.tar_index import TarIndex
from mmsoco.images.tar_source import ImageTar
from mmsoco.proposals.store import ProposalRecord, ProposalStoreWriter

_MIB = 2**20
# Of a photograph of ImageNet, with its header and padding.
_IMAGE_BYTES = 110 * 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the benchmark's arguments."""
    parser.add_argument('images', type=Path, help='folder of pictures')
    parser.add_argument('--entries', type=int, default=10**6)
    parser.add_argument('--workers', type=int, default=2)
    parser.add_argument('--reads', type=int, default=20000, help='per worker')
    parser.add_argument(
        '--rounds',
        type=int,
        default=0,
        help='number of rounds of timed reads; 0 skips the timing, for busy '
        'machines',
    )


def measure(args: argparse.Namespace) -> list[Row]:
    """Count, look up and, if asked, time."""
    with tempfile.TemporaryDirectory() as folder:
        rows = _read_both(args, Path(folder))
        rows += _memory_of_store(args, Path(folder, 'store.arrow'))
    return rows + _memory_of_index(args)


def _read_both(args: argparse.Namespace, folder: Path) -> list[Row]:
    loose = ImageFolder(args.images)
    names = loose.find().names
    pack(loose, names, folder / 'images.tar')
    tar = ImageTar(folder / 'images.tar')
    extents = {name: tar.extent(name) for name in names}
    np.random.default_rng(0).shuffle(names)
    fresh = ImageTar(tar.root)
    rows = [
        Row('images', len(names), 'images'),
        Row(
            'opened, loose files',
            count_opened(lambda: read_all(loose, names, extents)),
            'files',
        ),
        # The one that `ImageTar` opened when it was made.
        Row(
            'opened, tar file',
            1 + count_opened(lambda: read_all(fresh, names, extents)),
            'files',
        ),
    ]
    if args.rounds:
        rows += _time(loose, tar, names, extents, args.rounds)
    return rows


def _time(
    loose: ImageSource,
    tar: ImageSource,
    names: list[str],
    extents: dict[str, Extent],
    rounds: int,
) -> list[Row]:
    cases: dict[str, Callable[[], None]] = {}
    for what, decode in (('read', False), ('read and decoded', True)):
        for where, images in (('loose files', loose), ('tar file', tar)):
            cases[f'{what}, {where}'] = lambda images=images, decode=decode: (
                read_all(images, names, extents, decode)
            )
    seconds = alternate(cases, rounds, clock=time.perf_counter)
    return [
        Row(name, len(names) / statistics.median(taken), 'images/s')
        for name, taken in seconds.items()
    ]


def read_all(
    images: ImageSource,
    names: list[str],
    extents: dict[str, Extent],
    decode: bool = False,
) -> None:
    """Read images, as the data set does."""
    read = images.read_rgb if decode else images.read
    for name in names:
        read(name, extents[name])


def count_opened(function: Callable[[], None]) -> int:
    """Count the files that a function opens, in a separate process."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        opened = 0

        def note(event: str, _: tuple) -> None:
            nonlocal opened
            opened += event == 'open'

        sys.addaudithook(note)
        function()
        os.write(writer, str(opened).encode())
        os._exit(0)
    os.close(writer)
    with open(reader, 'rb') as file:
        text = file.read()
    os.waitpid(pid, 0)
    return int(text)


def _memory_of_store(args: argparse.Namespace, path: Path) -> list[Row]:
    with ProposalStoreWriter(path) as writer:
        writer.write(_with_places(synthetic_records(args.entries)))
    figures = read_from_workers(path, args.workers, args.reads)
    return [
        Row('entries', args.entries, 'images'),
        Row(
            'size of a store with places',
            path.stat().st_size / args.entries,
            'bytes/image',
        ),
        Row(
            'private memory of a worker, store with places',
            statistics.median(f.private for f in figures) / _MIB,
            'MiB',
        ),
    ]


def _with_places(
    records: Iterator[ProposalRecord],
) -> Iterator[ProposalRecord]:
    for number, record in enumerate(records):
        extent = Extent(512 + number * _IMAGE_BYTES, _IMAGE_BYTES - 512)
        stamp = FileStamp(extent.size, 10**18 + number, number)
        yield replace(record, stamp=stamp, extent=extent)


def _memory_of_index(args: argparse.Namespace) -> list[Row]:
    """Look up in an index that workers share with the process that read it."""
    index = TarIndex.of(
        {_name(i): (512 + i, _IMAGE_BYTES, 10**9) for i in range(args.entries)}
    )
    with multiprocessing.get_context('fork').Pool(
        args.workers, _SHARED.append, (index,)
    ) as pool:
        added = pool.map(_look_up, [args.reads] * args.workers, chunksize=1)
    arrays = (index.offsets, index.sizes, index.mtimes)
    size = index.names.nbytes + sum(array.nbytes for array in arrays)
    return [
        Row('index of a tar file without a store', size / _MIB, 'MiB'),
        Row(
            'private memory of a worker, index',
            statistics.median(added) / _MIB,
            'MiB',
        ),
    ]


# The index, in a worker: it comes by fork, as a data set does.
_SHARED: list[TarIndex] = []


def _name(number: int) -> str:
    return f'n{number // 1300:08d}/{number:08d}.JPEG'


def _look_up(reads: int) -> int:
    """Return the private bytes that a worker adds by looking names up."""
    [index] = _SHARED
    numbers = np.random.default_rng(0).integers(0, len(index.names), reads)
    before = private_memory()
    for number in numbers.tolist():
        assert index.row(_name(number)) == number
    return private_memory() - before


def private_memory() -> int:
    """Return the bytes of memory that no other process shares."""
    text = Path('/proc/self/smaps_rollup').read_text()
    kib = {
        line.split(':')[0]: int(line.split()[1])
        for line in text.splitlines()[1:]
    }
    return 1024 * (kib['Private_Dirty'] + kib['Private_Clean'])
