"""The proposal store: one memory-mapped Arrow file per image set.

It has one row per image, sorted by file name, in record batches of a fixed
number of rows. A row is found by division, a name by bisection, and opening
reads only the ends of the file, in constant time and memory for any size.
Pandas, polars and DuckDB read the file directly (Arrow IPC, uncompressed).
When a batch is first read, its checksum and its rows are checked, so that a
damaged file raises an error instead of giving other boxes.
"""

import json
import os
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa

from mmsoco.images.errors import NOT_A_FILE
from mmsoco.images.stamps import FileStamp
from mmsoco.proposals.filters import Fallback
from mmsoco.proposals.records import (
    FIELDS,
    Columns,
    ProposalRecord,
    as_columns,
    check_columns,
    check_record,
    to_batch,
)
from mmsoco.proposals.seal import add_seal, find_seal
from mmsoco.utils.files import (
    link_note,
    name_complete,
    partial_path,
    remove_partials,
)
from mmsoco.version import __version__

# Format 1 had neither checksums nor stamps of the image files, format 2 no
# positions in tar files.
FORMAT_VERSION = 3
ROWS_PER_BATCH = 4096
# Metadata that the rows determine, not the job that made them.
COUNTED = ('images', 'boxes', 'fallbacks')

_KEY = b'mmsoco.proposals'
_SUMMARY_KEY = b'mmsoco.summary'
# Errors from Arrow and from parsing metadata for damaged bytes.
_DAMAGE = (
    pa.ArrowException,
    OSError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    OverflowError,
    MemoryError,
)
PathLike = str | os.PathLike


class StoreError(ValueError):
    """A file that is not a usable store; the message says what to do."""


class ProposalStore:
    """Read a store; a sequence of :class:`ProposalRecord`.

    Pickling keeps only the path: each process maps the file itself and shares
    its pages with the others.

    Args:
        path: The ``.arrow`` file.

    Attributes:
        metadata: What the writer was given, and ``images`` (count),
            ``boxes`` (count) and ``fallbacks`` (images by kind of fallback).
        has_checksums: Whether damage is noticed; stores of format 1 have
            none.

    Raises:
        FileNotFoundError: If the file is not there.
        StoreError: If it is not a store, cut short, damaged or of another
            version. Reading a row raises it if that part is damaged.
    """

    def __init__(self, path: PathLike) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            kind = f', which is {NOT_A_FILE}' if self.path.exists() else ''
            raise FileNotFoundError(
                f'no proposal store {str(self.path)!r}'
                f'{kind}{link_note(self.path)}; make it with '
                '`mmsoco propose`'
            )
        self._columns: dict[int, Columns] = {}
        self._open()
        self.metadata = self._read_metadata()
        self.has_checksums = self._seal is not None
        self._check_outline()

    def _open(self) -> None:
        """Map the file, and check its end against its seal."""
        try:
            self._raw = np.memmap(self.path, np.uint8, 'r')
            self._seal, is_good = find_seal(self._raw)
            if self._seal is not None and not is_good:
                raise ValueError('checksum of the footer')
            self._reader = pa.ipc.open_file(pa.memory_map(str(self.path)))
            self._num_batches = self._reader.num_record_batches
        except _DAMAGE as e:
            raise StoreError(
                f'{str(self.path)!r} is not a proposal store, or was cut '
                'short or damaged; generate it again with '
                f'`mmsoco propose` ({e})'
            ) from e

    def _read_metadata(self) -> dict[str, Any]:
        """Join the metadata of the schema with the last batch's summary."""
        text = (self._reader.schema.metadata or {}).get(_KEY)
        if text is None or not self._num_batches:
            raise StoreError(
                f'{str(self.path)!r} is an Arrow file, but not a proposal '
                'store; make one with `mmsoco propose`'
            )
        try:
            last = self._num_batches - 1
            for number in {0, last}:
                self._compare(number)
            metadata = json.loads(text)
            version = metadata['format_version']
            if version not in FIELDS:
                raise StoreError(
                    f'{str(self.path)!r} has format version {version}, '
                    f'expected {FORMAT_VERSION}; generate it again, or '
                    'install the mmsoco that wrote it '
                    f'({metadata["mmsoco_version"]})'
                )
            _, summary = self._reader.get_batch_with_custom_metadata(last)
            if summary is None:
                raise ValueError(
                    'its summary is gone: another program has written the '
                    'table to a file of its own'
                )
            return {**metadata, **json.loads(summary[_SUMMARY_KEY])}
        except StoreError:
            raise
        except _DAMAGE as e:
            raise self._damaged(e) from e

    def _check_outline(self) -> None:
        """Compare the numbers of batches and rows with the schema's."""
        try:
            rows = self.metadata['rows_per_batch']
            full, rest = divmod(self.metadata['images'], rows)
            fields = FIELDS[self.metadata['format_version']]
            good = self.metadata['format_version'] == 1 or self.has_checksums
            good &= self._num_batches == full + 1 and rows > 0
            good &= self._reader.schema.remove_metadata() == pa.schema(fields)
            good &= len(self.metadata['fallbacks']) == len(Fallback)
            good &= sum(self.metadata['fallbacks']) == self.metadata['images']
            if self._seal is not None:
                good &= self._seal.num_parts == self._num_batches
            if not good:
                raise ValueError('its parts do not fit each other')
            self._batch_rows = [rows] * full + [rest]
        except _DAMAGE as e:
            raise self._damaged(e) from e

    def _compare(self, number: int) -> None:
        """Raise ValueError unless a batch has the bytes that were written."""
        if self._seal and not self._seal.part_is_good(self._raw, number):
            raise ValueError(f'checksum of part {number}')

    def _damaged(self, error: Exception) -> 'StoreError':
        return StoreError(
            f'proposal store {str(self.path)!r} is damaged '
            f'({type(error).__name__}: {error}); copy it again from a good '
            'one, or generate it again'
        )

    def check(self) -> None:
        """Read the whole file.

        Raises:
            StoreError: If any part is damaged.
        """
        before = None
        for number in range(self._num_batches):
            names = self._batch(number).file_name
            if len(names):
                if before is not None and names[0].as_py() <= before:
                    raise self._damaged(ValueError('names are not sorted'))
                before = names[-1].as_py()

    def __getstate__(self) -> dict[str, Any]:
        return {'path': self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        ProposalStore.__init__(self, state['path'])

    def __len__(self) -> int:
        return self.metadata['images']

    def __getitem__(self, index: int) -> ProposalRecord:
        columns, row = self._locate(index)
        return columns.record(row)

    def __iter__(self) -> Iterator[ProposalRecord]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return f'{type(self).__name__}({str(self.path)!r})'

    def file_name(self, index: int) -> str:
        """Return the name of one image without touching its boxes."""
        columns, row = self._locate(index)
        return columns.file_name[row].as_py()

    def stamp(self, index: int) -> FileStamp | None:
        """Return the stamp of one image file, None if unknown."""
        columns, row = self._locate(index)
        return columns.stamp(row)

    def index_of(self, file_name: str) -> int:
        """Find an image by bisection of the sorted names.

        Raises:
            KeyError: If the store has no such image.
        """
        index = bisect_left(range(len(self)), file_name, key=self.file_name)
        if index == len(self) or self.file_name(index) != file_name:
            raise KeyError(f'{file_name!r} is not in {str(self.path)!r}')
        return index

    def box_counts(self) -> np.ndarray:
        """Count the boxes of every image: (len(self),) int32."""
        return self._gather(lambda columns: np.diff(columns.offsets))

    def fallbacks(self) -> np.ndarray:
        """Return the fallback of every image: (len(self),) uint8."""
        return self._gather(lambda columns: columns.fallback)

    def _gather(self, take: Callable[[Columns], np.ndarray]) -> np.ndarray:
        """Join an array of each record batch."""
        batches = map(self._batch, range(self._num_batches))
        return np.concatenate([take(columns) for columns in batches])

    def _locate(self, index: int) -> tuple[Columns, int]:
        """Return the batch that holds a row, and the row within it."""
        if index < 0:
            index += len(self)
        if not 0 <= index < len(self):
            raise IndexError(
                f'index out of range: {str(self.path)!r} has {len(self)} '
                'images'
            )
        number, row = divmod(index, self.metadata['rows_per_batch'])
        return self._batch(number), row

    def _batch(self, number: int) -> Columns:
        """Return a batch, checked when it is first read.

        Raises:
            StoreError: If it is damaged.
        """
        if number not in self._columns:
            try:
                self._compare(number)
                batch = self._reader.get_batch(number)
                batch.validate(full=True)
                if len(batch) != self._batch_rows[number]:
                    raise ValueError(f'part {number} has {len(batch)} rows')
                columns = as_columns(batch)
                check_columns(columns)
            except _DAMAGE as e:
                raise self._damaged(e) from e
            self._columns[number] = columns
        return self._columns[number]


class ProposalStoreWriter:
    """Write a store; the file appears only when it is complete.

    Records must come in strictly rising order of ``file_name``. It needs the
    memory of one record batch.

    Args:
        path: The file to make; its folder must exist.
        metadata: JSON values: parameters, filter, image root and so on.

    Example:
        >>> with ProposalStoreWriter('a.arrow', {}) as writer:
        ...     writer.write([ProposalRecord('a.jpg', 4, 6, np.eye(0, 4))])
    """

    def __init__(
        self, path: PathLike, metadata: dict[str, Any] | None = None
    ) -> None:
        self.path = Path(path)
        self._partial = partial_path(self.path)
        header = {
            **(metadata or {}),
            'format_version': FORMAT_VERSION,
            'rows_per_batch': ROWS_PER_BATCH,
            'mmsoco_version': __version__,
        }
        self._schema = pa.schema(
            FIELDS[FORMAT_VERSION],
            metadata={_KEY: json.dumps(header, ensure_ascii=False)},
        )
        self._pending: list[ProposalRecord] = []
        self._last_name: str | None = None
        # The start of each batch; the head belongs to the first.
        self._starts: list[int] = []
        self._summary: dict[str, Any] = {
            'images': 0,
            'boxes': 0,
            'fallbacks': [0] * len(Fallback),
        }

    def __enter__(self) -> 'ProposalStoreWriter':
        remove_partials(self.path)
        with self._named_errors():
            self._sink = pa.OSFile(str(self._partial), 'wb')
            self._writer = pa.ipc.new_file(self._sink, self._schema)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._sink.close()
            self._partial.unlink(missing_ok=True)

    def write(self, records: Iterable[ProposalRecord]) -> None:
        """Append records.

        Raises:
            ValueError: If a name is out of order, duplicate or outside the
                image root, or boxes are not integers within their image; the
                message names the image.
        """
        for record in records:
            self._check_name(record.file_name)
            check_record(record)
            self._pending.append(record)
            self._summary['images'] += 1
            self._summary['boxes'] += len(record.bboxes)
            self._summary['fallbacks'][record.fallback] += 1
            if len(self._pending) == ROWS_PER_BATCH:
                with self._named_errors():
                    self._write_batch()

    def _check_name(self, name: str) -> None:
        if self._last_name is not None and name <= self._last_name:
            problem = 'twice' if name == self._last_name else 'out of order'
            raise ValueError(
                f'image {name!r} comes {problem} (after '
                f'{self._last_name!r}); write records sorted by file_name'
            )
        self._last_name = name

    def _write_batch(self, metadata: dict[bytes, str] | None = None) -> None:
        records, self._pending = self._pending, []
        self._starts.append(self._sink.tell() if self._starts else 0)
        self._writer.write_batch(
            to_batch(records, self._schema), custom_metadata=metadata
        )

    def _finish(self) -> None:
        """Write the last batch with the summary, then give the final name."""
        summary = {_SUMMARY_KEY: json.dumps(self._summary)}
        with self._named_errors():
            # This batch may be empty; it carries the summary.
            self._write_batch(summary)
            self._writer.close()
            self._sink.close()
            add_seal(self._partial, self._starts)
            name_complete(self._partial, self.path)

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        """Add the file's name to errors, which Arrow leaves out."""
        try:
            yield
        except OSError as e:
            reason = os.strerror(e.errno) if e.errno else str(e)
            raise OSError(
                e.errno,
                f'cannot write {str(self.path)!r}: {reason}',
            ) from e
