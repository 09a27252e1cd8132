"""Which images of a job are done, and in which files their rows are.

Rows come from the job's old store and from the parts of calls that were
interrupted. A row counts while the image file has the bytes that it was made
from: so one image more, less or changed costs the work on that one.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mmsoco.images.stamps import FileStamp
from mmsoco.proposals.generation.job import Job, regions_path
from mmsoco.proposals.generation.memory import MemoryLimit
from mmsoco.proposals.records import ProposalRecord
from mmsoco.proposals.store import ProposalStore, StoreError
from mmsoco.utils.problems import printable

_NOWHERE = -1
# Open at the same time while rows are joined.
_MAX_OPEN = 64


class Finished:
    """The finished images of a job.

    Args:
        job: The job.
        limit: Memory for one image: images that were left out for want of
            memory are done only as long as they still are too large.

    Attributes:
        names: The job's images, sorted.
        changed: Images whose files have changed since.
        gone: Images that were worked on, and are not in the list any more.
        other_root: Where the images of an old store or part were, if that is
            another place.
        unreadable: What is known of unreadable images, by name.
        remarks: Likewise, of remarkable ones.
    """

    def __init__(self, job: Job, limit: MemoryLimit) -> None:
        self.names = job.names
        self.changed: list[str] = []
        self.gone = 0
        self.other_root: str | None = None
        self.unreadable: dict[str, dict[str, Any]] = {}
        self.remarks: dict[str, str] = {}
        self._images = job.images
        self._identity = job.images.identity()
        self._limit = limit
        self._sources: list[Path] = []
        # Eight bytes per image: where its row is.
        self._source = np.full(len(self.names), _NOWHERE, np.int32)
        self._row = np.zeros(len(self.names), np.int32)
        # Rows of images that were copied or moved: same bytes, another time
        # or place.
        self._restamped: dict[int, FileStamp] = {}
        self._is_restamped = False

    def add(self, path: Path) -> None:
        """Take the rows of a store or part, in the place of older ones.

        Raises:
            StoreError: If it is damaged.
        """
        store = ProposalStore(path)
        number = len(self._sources)
        self._sources.append(path)
        if store.metadata.get('tar') != self._identity:
            self._is_restamped = True
        root = store.metadata.get('image_root', self._images.address)
        if root != self._images.address:
            self.other_root = root
        known = {r['file_name']: r['remark'] for r in _remarks(store)}
        for row in range(len(store)):
            name = store.file_name(row)
            index = self._index(name)
            if index is None:
                self.gone += 1
            elif self._is_current(index, store.stamp(row)):
                self._source[index], self._row[index] = number, row
                self.unreadable.pop(name, None)
                self._set_remark(name, known.get(name))
        for entry in store.metadata.get('unreadable', ()):
            self._add_unreadable(entry)

    def _set_remark(self, name: str, remark: str | None) -> None:
        self.remarks.pop(name, None)
        if remark:
            self.remarks[name] = remark

    def _index(self, name: str) -> int | None:
        index = bisect_left(self.names, name)
        there = index < len(self.names) and self.names[index] == name
        return index if there else None

    def _is_current(self, index: int, stamp: FileStamp | None) -> bool:
        """Return whether a row is of the file that is there now.

        Of rows without a stamp nothing is known: they are kept, unless the
        images are in another place.
        """
        if stamp is None and self.other_root is None:
            return True
        name = self.names[index]
        now = stamp and self._images.stamp_of_same(stamp, name)
        if now is None:
            self.changed.append(name)
            return False
        if now != stamp:
            self._restamped[index] = now
            self._is_restamped = True
        return True

    def _add_unreadable(self, entry: dict[str, Any]) -> None:
        """Keep the entry of an unreadable image if it still holds."""
        name = entry['file_name']
        # Names that cannot be printed are not those of files.
        if self._index(name) is not None:
            current = self._current(entry, name)
            if current is None:
                self.changed.append(name)
                return
            entry = current
        needs_mib = entry.get('needs_mib')
        if needs_mib and (self._limit.shrink or needs_mib <= self._limit.mib):
            return
        self.unreadable[name] = entry

    def _current(
        self, entry: dict[str, Any], name: str
    ) -> dict[str, Any] | None:
        """Return an unreadable image's entry, None if its file has changed."""
        stamp = entry.get('stamp')
        if stamp is None:
            return None if self._images.holds(name) else entry
        now = self._images.stamp_of_same(FileStamp(*stamp), name)
        if now is None:
            return None
        if list(now) != stamp:
            self._is_restamped = True
        return {**entry, 'stamp': list(now)}

    def missing(self) -> list[str]:
        """Name the images that are left to do."""
        return [
            name
            for name, source in zip(self.names, self._source, strict=True)
            if source == _NOWHERE and printable(name) not in self.unreadable
        ]

    def is_store(self, path: Path) -> bool:
        """Return whether a store already holds all rows, and no others."""
        return (
            self._sources == [path]
            and not self.gone
            and not self._is_restamped
            and self.other_root is None
            and not self.missing()
        )

    def num_kept(self) -> int:
        """Count the rows that still hold."""
        return int((self._source != _NOWHERE).sum())

    def unreadable_entries(self) -> list[dict[str, Any]]:
        """Return the entries of unreadable images in the job's order."""
        there = {printable(name) for name in self.names}
        return [
            entry
            for name, entry in sorted(self.unreadable.items())
            if name in there
        ]

    def remark_entries(self) -> list[dict[str, str]]:
        """Return the entries of remarkable images in the job's order."""
        return [
            {'file_name': name, 'remark': remark}
            for name, remark in sorted(self.remarks.items())
        ]

    def rows(
        self, of: Callable[[Path], Path] = lambda path: path
    ) -> Iterator[ProposalRecord]:
        """Yield the finished rows in order.

        Args:
            of: Turns the path of a store into that of the store to read
                instead, such as its regions.

        Raises:
            StoreError: If a file does not have the rows that it had.
        """
        stores: dict[int, ProposalStore] = {}
        for index in np.flatnonzero(self._source != _NOWHERE).tolist():
            number = int(self._source[index])
            if number not in stores:
                if len(stores) == _MAX_OPEN:
                    del stores[next(iter(stores))]
                stores[number] = ProposalStore(of(self._sources[number]))
            record = stores[number][int(self._row[index])]
            if record.file_name != self.names[index]:
                raise StoreError(
                    f'{str(stores[number].path)!r} was changed meanwhile: '
                    f'expected {self.names[index]!r}, got '
                    f'{record.file_name!r}'
                )
            stamp = self._restamped.get(index, record.stamp)
            extent = stamp and self._images.extent(record.file_name)
            yield replace(record, stamp=stamp, extent=extent)


def _remarks(store: ProposalStore) -> list[dict[str, str]]:
    return store.metadata.get('remarks', [])


def check_with_regions(path: Path, keep_regions: bool) -> None:
    """Read a part whole, and its regions if they are kept.

    Raises:
        StoreError: If either is damaged, or they are of different images.
    """
    store = ProposalStore(path)
    store.check()
    if not keep_regions:
        return
    try:
        regions = ProposalStore(regions_path(path))
    except FileNotFoundError as error:
        raise StoreError(str(error)) from error
    regions.check()
    names = [[s.file_name(i) for i in range(len(s))] for s in (store, regions)]
    if names[0] != names[1]:
        raise StoreError(f'{str(path)!r} and its regions differ in images')
