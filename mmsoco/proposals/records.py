"""Rows of a proposal store, and how they become columns and back."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from mmsoco.proposals.filters import FALLBACK_NAMES

MAX_SIDE = int(np.iinfo(np.uint16).max)

_BBOX = pa.list_(pa.field('xyxy', pa.uint16(), nullable=False), 4)
FIELDS = [
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


@dataclass(frozen=True, eq=False)
class ProposalRecord:
    """The proposals of one image.

    Attributes:
        file_name: Relative to the image root, ``/`` between the parts.
        height: Of the upright image, pixels.
        width: Of the upright image, pixels.
        bboxes: (N, 4) float32 of xyxy, absolute, continuous (the published
            x, y, w, h become x, y, x + w, y + h). Integers; N may be 0.
        fallback: 0 the filter's boxes, 1 aspect filter alone, 2 minimum size
            alone, 3 none left.
    """

    file_name: str
    height: int
    width: int
    bboxes: np.ndarray
    fallback: int = 0


class Columns(NamedTuple):
    """A record batch as views of the memory map."""

    file_name: pa.StringArray
    height: np.ndarray  # (R,)
    width: np.ndarray  # (R,)
    bboxes: np.ndarray  # (B, 4)
    offsets: np.ndarray  # (R + 1,)
    fallback: np.ndarray  # (R,)


def check_bboxes(record: ProposalRecord) -> None:
    """Raise ValueError unless a record's boxes fit its image and the store."""
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
    if not 0 <= record.fallback < len(FALLBACK_NAMES):
        raise ValueError(
            f'{where}: fallback must be 0 to {len(FALLBACK_NAMES) - 1}, got '
            f'{record.fallback}'
        )
    inside = (bboxes[:, :2] >= 0) & (bboxes[:, :2] <= bboxes[:, 2:])
    inside &= (bboxes[:, 2:] <= (width, height)) & (bboxes % 1 == 0).reshape(
        -1, 2, 2
    ).all(axis=1)
    if not inside.all():
        bad = bboxes[~inside.all(axis=1)][0].tolist()
        raise ValueError(
            f'{where}: expected integers 0 <= x1 <= x2 <= {width} and '
            f'0 <= y1 <= y2 <= {height}, got {bad}'
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
        pa.array([r.fallback for r in records], pa.uint8()),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def as_columns(batch: pa.RecordBatch) -> Columns:
    """View a record batch through numpy, without copying."""
    bboxes = batch.column('bboxes')
    return Columns(
        file_name=batch.column('file_name'),
        height=batch.column('height').to_numpy(),
        width=batch.column('width').to_numpy(),
        bboxes=bboxes.values.values.to_numpy().reshape(-1, 4),
        offsets=bboxes.offsets.to_numpy(),
        fallback=batch.column('fallback').to_numpy(),
    )
