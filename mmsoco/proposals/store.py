"""The proposal store: one memory-mapped Arrow file per image set.

One row per image, sorted by file name, in record batches of a fixed number
of rows. So a row is found by division, a name by bisection, and opening
reads nothing but the footer: constant time and memory, whatever the size.
Pandas, polars and DuckDB read the file as it is (Arrow IPC, uncompressed).
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

from mmsoco.proposals.filters import FALLBACK_NAMES
from mmsoco.proposals.records import (
    FIELDS,
    Columns,
    ProposalRecord,
    as_columns,
    check_bboxes,
    to_batch,
)
from mmsoco.version import __version__

FORMAT_VERSION = 1
ROWS_PER_BATCH = 4096
# Metadata that the rows decide, not the job that made them.
COUNTED = ('images', 'boxes', 'fallbacks')

_KEY = b'mmsoco.proposals'
_SUMMARY_KEY = b'mmsoco.summary'
PathLike = str | os.PathLike


class StoreError(ValueError):
    """A file that is no usable store; the message says what to do."""


class ProposalStore:
    """Read a store; a sequence of :class:`ProposalRecord`.

    Pickling carries the path alone: each process maps the file itself and
    shares its pages with the others.

    Args:
        path: The ``.arrow`` file.

    Attributes:
        metadata: What the writer was given, and ``images`` (count),
            ``boxes`` (count) and ``fallbacks`` (images by kind of fallback).

    Raises:
        FileNotFoundError: If the file is not there.
        StoreError: If it is no store, cut short, or of another version.
    """

    def __init__(self, path: PathLike) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise FileNotFoundError(
                f'no proposal store {str(self.path)!r}; make it with '
                'tools/proposals/generate.py'
            )
        self._columns: dict[int, Columns] = {}
        try:
            self._reader = pa.ipc.open_file(pa.memory_map(str(self.path)))
        except (pa.ArrowInvalid, OSError) as e:
            raise StoreError(
                f'{str(self.path)!r} is not a proposal store, or was cut '
                'short; generate it again with tools/proposals/generate.py'
            ) from e
        self.metadata = self._read_metadata()

    def _read_metadata(self) -> dict[str, Any]:
        """Join the metadata of the schema with the last batch's summary."""
        text = (self._reader.schema.metadata or {}).get(_KEY)
        if text is None or not self._reader.num_record_batches:
            raise StoreError(
                f'{str(self.path)!r} is an Arrow file, but not a proposal '
                'store; make one with tools/proposals/generate.py'
            )
        metadata = json.loads(text)
        if metadata['format_version'] != FORMAT_VERSION:
            raise StoreError(
                f'{str(self.path)!r} has format version '
                f'{metadata["format_version"]}, expected {FORMAT_VERSION}; '
                'generate it again, or install the mmsoco that wrote it '
                f'({metadata["mmsoco_version"]})'
            )
        _, summary = self._reader.get_batch_with_custom_metadata(
            self._reader.num_record_batches - 1
        )
        return {**metadata, **json.loads(summary[_SUMMARY_KEY])}

    def __getstate__(self) -> dict[str, Any]:
        return {'path': self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state['path'])

    def __len__(self) -> int:
        return self.metadata['images']

    def __getitem__(self, index: int) -> ProposalRecord:
        columns, row = self._locate(index)
        start, stop = columns.offsets[row], columns.offsets[row + 1]
        return ProposalRecord(
            file_name=columns.file_name[row].as_py(),
            height=int(columns.height[row]),
            width=int(columns.width[row]),
            bboxes=columns.bboxes[start:stop].astype(np.float32),
            fallback=int(columns.fallback[row]),
        )

    def __iter__(self) -> Iterator[ProposalRecord]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return f'{type(self).__name__}({str(self.path)!r})'

    def file_name(self, index: int) -> str:
        """Return the name of one image without touching its boxes."""
        columns, row = self._locate(index)
        return columns.file_name[row].as_py()

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
        numbers = range(self._reader.num_record_batches)
        batches = map(self._reader.get_batch, numbers)
        return np.concatenate([take(as_columns(b)) for b in batches])

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
        if number not in self._columns:
            self._columns[number] = as_columns(self._reader.get_batch(number))
        return self._columns[number], row


class ProposalStoreWriter:
    """Write a store; the file appears only when it is complete.

    Records must come in strictly rising order of ``file_name``. Memory is
    that of one record batch.

    Args:
        path: The file to make; its folder must exist.
        metadata: Anything JSON can hold: parameters, filter, image root...

    Example:
        >>> with ProposalStoreWriter('a.arrow', {}) as writer:
        ...     writer.write([ProposalRecord('a.jpg', 4, 6, np.eye(0, 4))])
    """

    def __init__(
        self, path: PathLike, metadata: dict[str, Any] | None = None
    ) -> None:
        self.path = Path(path)
        self._temporary = self.path.with_name(
            f'.{self.path.name}.{os.getpid()}.tmp'
        )
        header = {
            **(metadata or {}),
            'format_version': FORMAT_VERSION,
            'rows_per_batch': ROWS_PER_BATCH,
            'mmsoco_version': __version__,
        }
        self._schema = pa.schema(
            FIELDS, metadata={_KEY: json.dumps(header, ensure_ascii=False)}
        )
        self._pending: list[ProposalRecord] = []
        self._last_name: str | None = None
        self._summary = {
            'images': 0,
            'boxes': 0,
            'fallbacks': [0] * len(FALLBACK_NAMES),
        }

    def __enter__(self) -> 'ProposalStoreWriter':
        with self._named_errors():
            self._sink = pa.OSFile(str(self._temporary), 'wb')
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
            self._temporary.unlink(missing_ok=True)

    def write(self, records: Iterable[ProposalRecord]) -> None:
        """Append records.

        Raises:
            ValueError: If a name is out of order or twice, or boxes are not
                integers within their image; the message names the image.
        """
        for record in records:
            self._check_name(record.file_name)
            check_bboxes(record)
            self._pending.append(record)
            self._summary['images'] += 1
            self._summary['boxes'] += len(record.bboxes)
            self._summary['fallbacks'][record.fallback] += 1
            if len(self._pending) == ROWS_PER_BATCH:
                with self._named_errors():
                    self._writer.write_batch(self._take_batch())

    def _check_name(self, name: str) -> None:
        if self._last_name is not None and name <= self._last_name:
            problem = 'twice' if name == self._last_name else 'out of order'
            raise ValueError(
                f'image {name!r} comes {problem} (after '
                f'{self._last_name!r}); write records sorted by file_name'
            )
        self._last_name = name

    def _take_batch(self) -> pa.RecordBatch:
        records, self._pending = self._pending, []
        return to_batch(records, self._schema)

    def _finish(self) -> None:
        """Write the last batch with the summary, then give the final name."""
        summary = {_SUMMARY_KEY: json.dumps(self._summary)}
        with self._named_errors():
            # This batch may be empty: it is there to carry the summary.
            self._writer.write_batch(
                self._take_batch(), custom_metadata=summary
            )
            self._writer.close()
            self._sink.close()
            with open(self._temporary, 'rb') as file:
                os.fsync(file.fileno())
            os.replace(self._temporary, self.path)

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        """Say which file could not be written: Arrow's errors do not."""
        try:
            yield
        except OSError as e:
            reason = os.strerror(e.errno) if e.errno else str(e)
            raise OSError(
                e.errno,
                f'cannot write {str(self.path)!r} ({reason}); free space or '
                'mend the folder, then call again',
            ) from e
