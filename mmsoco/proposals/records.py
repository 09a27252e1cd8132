"""Convert rows of a proposal store to columns and back, and check them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from mmsoco.images.source import Extent, ImageSource
from mmsoco.images.stamps import FileStamp
from mmsoco.proposals.filters import MAX_SIDE, Fallback

_BBOX = pa.list_(pa.field('xyxy', pa.uint16(), nullable=False), 4)
# Of format 1.
_OLD_FIELDS = [
    pa.field('file_name', pa.string(), nullable=False),
    pa.field('height', pa.int32(), nullable=False),
    pa.field('width', pa.int32(), nullable=False),
    pa.field(
        'bboxes',
        pa.list_(pa.field('bbox', _BBOX, nullable=False)),
        nullable=False,
    ),
    pa.field('fallback', pa.uint8(), nullable=False),
]
# The image file's stamp, see `FileStamp`; all 0 if unknown.
_STAMP_FIELDS = [
    pa.field('file_size', pa.int64(), nullable=False),
    pa.field('file_mtime_ns', pa.int64(), nullable=False),
    pa.field('file_digest', pa.uint64(), nullable=False),
]
# Position of its bytes in a tar file, see `Extent`; 0 for a separate file.
_OFFSET_FIELD = pa.field('file_offset', pa.int64(), nullable=False)
FIELDS = {
    1: _OLD_FIELDS,
    2: _OLD_FIELDS + _STAMP_FIELDS,
    3: [*_OLD_FIELDS, *_STAMP_FIELDS, _OFFSET_FIELD],
}
_NO_STAMP = FileStamp(0, 0, 0)


@dataclass(frozen=True, eq=False)
class ProposalRecord:
    """The proposals of one image.

    Attributes:
        file_name: Relative to the image root, ``/`` between the parts.
        height: Of the upright image, pixels.
        width: Of the upright image, pixels.
        bboxes: (N, 4) float32 of xyxy, absolute, continuous (the published
            x, y, w, h become x, y, x + w, y + h). Integers; N may be 0.
        fallback: Which filter found them.
        stamp: The stamp of the image file, None if unknown.
        extent: Its position in a tar file, None for separate files; its size
            equals that of the stamp.
    """

    file_name: str
    height: int
    width: int
    bboxes: np.ndarray
    fallback: int = Fallback.FILTERED
    stamp: FileStamp | None = None
    extent: Extent | None = None


class Columns(NamedTuple):
    """A record batch as views of the memory map."""

    file_name: pa.StringArray
    height: np.ndarray  # (R,)
    width: np.ndarray  # (R,)
    bboxes: np.ndarray  # (B, 4)
    offsets: np.ndarray  # (R + 1,)
    fallback: np.ndarray  # (R,)
    stamps: list[np.ndarray] | None  # three of (R,), None in format 1
    file_offset: np.ndarray | None  # (R,), None before format 3

    def record(self, row: int) -> ProposalRecord:
        """Copy one row."""
        start, stop = self.offsets[row], self.offsets[row + 1]
        return ProposalRecord(
            file_name=self.file_name[row].as_py(),
            height=int(self.height[row]),
            width=int(self.width[row]),
            bboxes=self.bboxes[start:stop].astype(np.float32),
            fallback=Fallback(self.fallback[row]),
            stamp=self.stamp(row),
            extent=self.extent(row),
        )

    def stamp(self, row: int) -> FileStamp | None:
        """Return the stamp of one image, None if it has none."""
        if self.stamps is None:
            return None
        stamp = FileStamp(*(int(column[row]) for column in self.stamps))
        return None if stamp == _NO_STAMP else stamp

    def extent(self, row: int) -> Extent | None:
        """Return the position of an image in a tar file, or None."""
        if self.file_offset is None or self.stamps is None:
            return None
        if not self.file_offset[row]:
            return None
        return Extent(int(self.file_offset[row]), int(self.stamps[0][row]))


def check_name(name: str) -> None:
    """Raise ValueError unless a name stays below its image root."""
    parts = name.split('/')
    if '\0' in name or '..' in parts or '' in parts:
        raise ValueError(
            f'image {name!r}: expected a name relative to the image root, '
            "with '/' between its parts and without '..'"
        )


def check_record(record: ProposalRecord) -> None:
    """Raise ValueError unless a record fits its image and the store."""
    check_name(record.file_name)
    bboxes = np.asarray(record.bboxes)
    height, width = record.height, record.width
    where = f'proposals of image {record.file_name!r}'
    if not (0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE):
        raise ValueError(
            f'{where}: sides must be 1 to {MAX_SIDE}, got height {height} '
            f'and width {width}'
        )
    if bboxes.ndim != 2 or bboxes.shape[1] != 4:
        raise ValueError(
            f'{where}: expected (N, 4) xyxy boxes, got shape {bboxes.shape}'
        )
    if not 0 <= record.fallback < len(Fallback):
        raise ValueError(
            f'{where}: fallback must be 0 to {len(Fallback) - 1}, got '
            f'{record.fallback}'
        )
    _check_extent(record)
    inside = are_inside(bboxes, height, width)
    inside &= (bboxes % 1 == 0).all(axis=1)
    if not inside.all():
        bad = bboxes[~inside][0].tolist()
        raise ValueError(
            f'{where}: expected integers 0 <= x1 <= x2 <= {width} and '
            f'0 <= y1 <= y2 <= {height}, got {bad}'
        )


def _check_extent(record: ProposalRecord) -> None:
    """Raise ValueError unless a position in a tar file has the file's size."""
    extent, stamp = record.extent, record.stamp
    if extent is None:
        return
    size = None if stamp is None else stamp.size
    if extent.offset <= 0 or extent.size != size:
        raise ValueError(
            f'proposals of image {record.file_name!r}: expected a place in '
            f'the tar file after its beginning and of {size} bytes, as the '
            f'stamp says, got {extent}'
        )


def are_inside(
    bboxes: np.ndarray, height: np.ndarray | int, width: np.ndarray | int
) -> np.ndarray:
    """Mark boxes that are ordered and within their images.

    Args:
        bboxes: (N, 4) xyxy.
        height: Of each box's image, (N,), or of all.
        width: Likewise.

    Returns:
        (N,) bool.
    """
    x1, y1, x2, y2 = np.asarray(bboxes).T
    return (
        (x1 >= 0)
        & (y1 >= 0)
        & (x1 <= x2)
        & (y1 <= y2)
        & (x2 <= width)
        & (y2 <= height)
    )


def to_batch(
    records: list[ProposalRecord], schema: pa.Schema
) -> pa.RecordBatch:
    """Turn records into columns."""
    counts = [len(r.bboxes) for r in records]
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    boxes = [np.asarray(r.bboxes, np.uint16).reshape(-1, 4) for r in records]
    flat = np.concatenate([np.zeros((0, 4), np.uint16), *boxes]).ravel()
    bboxes = pa.ListArray.from_arrays(
        pa.array(offsets),
        pa.FixedSizeListArray.from_arrays(pa.array(flat), type=_BBOX),
        type=schema.field('bboxes').type,
    )
    columns = [
        pa.array([r.file_name for r in records], pa.string()),
        pa.array([r.height for r in records], pa.int32()),
        pa.array([r.width for r in records], pa.int32()),
        bboxes,
        pa.array([int(r.fallback) for r in records], pa.uint8()),
    ]
    stamps = [r.stamp or _NO_STAMP for r in records]
    columns += [
        pa.array([stamp[i] for stamp in stamps], stamp_field.type)
        for i, stamp_field in enumerate(_STAMP_FIELDS)
    ]
    places = [r.extent.offset if r.extent else 0 for r in records]
    columns.append(pa.array(places, _OFFSET_FIELD.type))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def as_columns(batch: pa.RecordBatch) -> Columns:
    """View a record batch through numpy, without copying."""
    bboxes = batch.column('bboxes')
    stamps = file_offset = None
    if 'file_size' in batch.schema.names:
        stamps = [batch.column(f.name).to_numpy() for f in _STAMP_FIELDS]
    if _OFFSET_FIELD.name in batch.schema.names:
        file_offset = batch.column(_OFFSET_FIELD.name).to_numpy()
    return Columns(
        file_name=batch.column('file_name'),
        height=batch.column('height').to_numpy(),
        width=batch.column('width').to_numpy(),
        bboxes=bboxes.values.values.to_numpy().reshape(-1, 4),
        offsets=bboxes.offsets.to_numpy(),
        fallback=batch.column('fallback').to_numpy(),
        stamps=stamps,
        file_offset=file_offset,
    )


def check_columns(columns: Columns) -> None:
    """Raise ValueError unless all rows of a batch are good records.

    Args:
        columns: Of a batch that Arrow has validated.
    """
    names = columns.file_name.to_pylist()
    for name in names:
        check_name(name)
    for before, name in zip(names[:-1], names[1:], strict=True):
        if before >= name:
            raise ValueError(f'image {name!r} comes after {before!r}')
    for sides in (columns.height, columns.width):
        if not ((sides > 0) & (sides <= MAX_SIDE)).all():
            raise ValueError(f'sides must be 1 to {MAX_SIDE}')
    if (columns.fallback >= len(Fallback)).any():
        raise ValueError(f'fallbacks must be 0 to {len(Fallback) - 1}')
    if columns.file_offset is not None and (columns.file_offset < 0).any():
        raise ValueError('places in a tar file must be 0 or more')
    first, last = columns.offsets[0], columns.offsets[-1]
    counts = np.diff(columns.offsets)
    inside = are_inside(
        columns.bboxes[first:last],
        columns.height.repeat(counts),
        columns.width.repeat(counts),
    )
    if not inside.all():
        row = np.arange(len(names)).repeat(counts)[~inside][0]
        raise ValueError(f'a box of {names[row]!r} is not within its image')


def changed_images(
    records: Iterable[ProposalRecord], images: ImageSource
) -> list[str]:
    """Name the images that have changed since their proposals were made.

    Args:
        records: Rows of a store. Rows without a stamp count as unchanged.
        images: The place of the images.

    Returns:
        Names of images that changed or are missing, in the order of the rows.
    """
    return [
        record.file_name
        for record in records
        if record.stamp
        and not images.stamp_of_same(
            record.stamp, record.file_name, record.extent
        )
    ]
