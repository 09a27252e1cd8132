"""Stores as older releases wrote them."""

import json

import pyarrow as pa

from mmsoco.proposals.records import FIELDS


def write_old(path, records):
    """Write a store of format 1, which had neither seal nor stamps."""
    header = {'format_version': 1, 'rows_per_batch': 4096}
    counts = [sum(r.fallback == kind for r in records) for kind in range(4)]
    summary = {'images': len(records), 'boxes': 0, 'fallbacks': counts}
    schema = pa.schema(
        FIELDS[1],
        metadata={b'mmsoco.proposals': json.dumps(header)},
    )
    rows = [
        dict(
            file_name=r.file_name,
            height=r.height,
            width=r.width,
            bboxes=r.bboxes.astype(int).tolist(),
            fallback=r.fallback,
        )
        for r in records
    ]
    batch = pa.RecordBatch.from_pylist(rows, schema)
    with pa.OSFile(str(path), 'wb') as sink:
        with pa.ipc.new_file(sink, schema) as writer:
            writer.write_batch(
                batch,
                custom_metadata={b'mmsoco.summary': json.dumps(summary)},
            )
