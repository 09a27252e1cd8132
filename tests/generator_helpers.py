"""Short ways to run the generator."""

import pyarrow as pa

from mmsoco.images.lists import find_images
from mmsoco.proposals.generation.generate import generate
from mmsoco.proposals.generation.job import Job


def make_job(image_root, out, **kwargs):
    names = find_images(image_root).names
    return Job(str(image_root), names, str(out), **kwargs)


def run(job, workers=2, **kwargs):
    lines = []
    return generate(job, workers, report=lines.append, **kwargs), lines


def rows_of(store):
    """Return the images of a store with their boxes, to be compared."""
    return [
        (r.file_name, r.height, r.width, r.bboxes.tolist(), r.fallback)
        for r in store
    ]


def assert_same_stores(a, b):
    assert a.metadata == b.metadata
    tables = [pa.ipc.open_file(store.path).read_all() for store in (a, b)]
    assert tables[0].equals(tables[1])
