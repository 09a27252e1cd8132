"""The work of one process of the generator: images in, a part out."""

import os
import time
from typing import NamedTuple

import numpy as np

from mmsoco.images.reading import UnreadableImageError, read_rgb
from mmsoco.proposals.filters import FilterSpec, filter_regions
from mmsoco.proposals.generation.job import regions_path
from mmsoco.proposals.records import MAX_SIDE, ProposalRecord
from mmsoco.proposals.search.selective_search import (
    SearchSpec,
    selective_search,
)
from mmsoco.proposals.store import ProposalStoreWriter


class PartDone(NamedTuple):
    """What a worker reports: images of the part and seconds of CPU time."""

    images: int
    cpu_seconds: float


def warm_up() -> None:
    """Compile the kernels, or load them, before workers are forked."""
    selective_search(np.zeros((4, 4, 3), np.uint8))


def make_part(
    image_root: str,
    names: list[str],
    out: str,
    search: SearchSpec,
    filters: FilterSpec,
    keep_regions: bool,
) -> PartDone:
    """Make one part of a store; the work of a worker process.

    Unreadable images are left out and named in the part's metadata.

    Args:
        image_root: The image folder.
        names: Images relative to it, sorted.
        out: The part to write.
        search: Parameters of selective search.
        filters: Limits on proposals.
        keep_regions: Whether to write all regions beside it.

    Raises:
        OSError: If writing fails.
        RuntimeError: If the search fails on an image; the message names it.
    """
    started = time.process_time()
    regions, unreadable = [], []
    for name in names:
        try:
            regions.append(find_regions(image_root, name, search))
        except UnreadableImageError as e:
            printable = name.encode('utf-8', 'backslashreplace').decode()
            unreadable.append({'file_name': printable, 'reason': e.reason})
    if keep_regions:
        with ProposalStoreWriter(regions_path(out)) as writer:
            writer.write(regions)
    with ProposalStoreWriter(out, {'unreadable': unreadable}) as writer:
        writer.write(keep_proposals(record, filters) for record in regions)
    return PartDone(len(names), time.process_time() - started)


def find_regions(
    image_root: str, name: str, search: SearchSpec
) -> ProposalRecord:
    """Read one image and find all its regions.

    Raises:
        UnreadableImageError: If the store cannot hold it: unreadable, larger
            than 65535 pixels, or a name that is not UTF-8.
        RuntimeError: If the search fails; the message names the image.
    """
    path = os.path.join(image_root, name)
    try:
        name.encode('utf-8')
    except UnicodeEncodeError:
        raise UnreadableImageError(path, 'its name is not UTF-8') from None
    rgb = read_rgb(path)
    height, width = rgb.shape[:2]
    if max(height, width) > MAX_SIDE:
        raise UnreadableImageError(path, f'a side is above {MAX_SIDE} pixels')
    try:
        bboxes = selective_search(rgb, search).bboxes
    except MemoryError:
        raise UnreadableImageError(path, 'not enough memory') from None
    except Exception as e:
        raise RuntimeError(f'selective search failed on {path!r}') from e
    return ProposalRecord(name, height, width, bboxes)


def keep_proposals(
    record: ProposalRecord, filters: FilterSpec
) -> ProposalRecord:
    """Filter the regions of one image."""
    bboxes, fallback = filter_regions(
        record.bboxes, record.height, record.width, filters
    )
    return ProposalRecord(
        record.file_name, record.height, record.width, bboxes, fallback
    )
