"""The work of one process of the generator: images in, a part out."""

import os
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmsoco.images.errors import UnreadableImageError
from mmsoco.images.reading import decode_rgb, decode_size, remark_on
from mmsoco.images.source import ImageSource
from mmsoco.images.stamps import FileStamp
from mmsoco.proposals.filters import MAX_SIDE, FilterSpec, filter_regions
from mmsoco.proposals.generation.job import Finder, regions_path
from mmsoco.proposals.generation.memory import (
    MemoryLimit,
    enlarge_bboxes,
    needed_mib,
    shrink_image,
)
from mmsoco.proposals.records import ProposalRecord
from mmsoco.proposals.search.selective_search import selective_search
from mmsoco.proposals.search.spec import SearchSpec
from mmsoco.proposals.store import ProposalStoreWriter
from mmsoco.utils.problems import printable


class PartDone(NamedTuple):
    """What a worker reports: images of the part and seconds of CPU time."""

    images: int
    cpu_seconds: float


@dataclass
class Found:
    """What a worker found in the images of a part.

    Attributes:
        regions: A record per image that could be read.
        unreadable: The others: ``file_name``, ``reason``, ``stamp``, and
            ``needs_mib`` where it was a matter of memory.
        remarks: ``file_name`` and ``remark`` of images that may not be what
            they seem.
    """

    regions: list[ProposalRecord] = field(default_factory=list)
    unreadable: list[dict[str, Any]] = field(default_factory=list)
    remarks: list[dict[str, str]] = field(default_factory=list)


class TooLargeError(UnreadableImageError):
    """An image whose search would take more memory than it may."""

    def __init__(
        self, path: str, height: int, width: int, limit: MemoryLimit
    ) -> None:
        self.needs_mib = needed_mib(height, width)
        super().__init__(
            path,
            f'{width} x {height} pixels would take about '
            f'{self.needs_mib:.0f} MiB, above the limit of {limit.mib:.0f} '
            'MiB for each worker (use fewer workers, a higher limit, or let '
            'such images be searched at a smaller size)',
        )


def warm_up(search: SearchSpec | Finder | None = None) -> None:
    """Compile the kernels, or load them, before workers are forked.

    Args:
        search: What is to be used; by default selective search.
    """
    if search is None or isinstance(search, SearchSpec):
        selective_search(np.zeros((4, 4, 3), np.uint8))
    else:
        search.prepare()


def make_part(
    images: ImageSource,
    names: list[str],
    out: str,
    search: SearchSpec | Finder,
    filters: FilterSpec,
    keep_regions: bool,
    limit: MemoryLimit,
) -> PartDone:
    """Make one part of a store; the work of a worker process.

    Unreadable images are left out and named in the part's metadata.

    Args:
        images: Where the images are.
        names: Images relative to it, sorted.
        out: The part to write.
        search: Parameters of selective search, or its replacement.
        filters: Limits on proposals.
        keep_regions: Whether to write all regions next to it.
        limit: Memory for one image.

    Raises:
        OSError: If writing fails.
        RuntimeError: If the search fails on an image; the message names it.
    """
    started = time.process_time()
    found = Found()
    in_hand = in_hand_path(out)
    for name in names:
        # Should this process be killed, it is known over which image.
        in_hand.write_text(f'{os.getpid()} {printable(name)}', 'utf-8')
        add_image(found, images, name, search, limit)
    if keep_regions:
        with ProposalStoreWriter(regions_path(out)) as writer:
            writer.write(found.regions)
    metadata = {'unreadable': found.unreadable, 'remarks': found.remarks}
    with ProposalStoreWriter(out, metadata) as writer:
        writer.write(
            keep_proposals(record, filters) for record in found.regions
        )
    in_hand.unlink(missing_ok=True)
    return PartDone(len(names), time.process_time() - started)


def in_hand_path(part: str | os.PathLike) -> Path:
    """Name the file that says which image of a part is being searched."""
    return Path(f'{os.fspath(part)}.in-hand')


def add_image(
    found: Found,
    images: ImageSource,
    name: str,
    search: SearchSpec | Finder,
    limit: MemoryLimit,
) -> None:
    """Search one image and add its record or its error."""
    path = images.where(name)
    stamp = None
    entry: dict[str, Any]
    try:
        extent = images.extent(name)
        data, stamp = images.read_stamped(name, extent)
        name.encode('utf-8')
        record, remark = find_regions(data, stamp, path, name, search, limit)
    except UnicodeEncodeError:
        entry = {'reason': 'its name is not UTF-8'}
    except UnreadableImageError as e:
        entry = {'reason': e.reason}
        if isinstance(e, TooLargeError):
            entry['needs_mib'] = e.needs_mib
    else:
        found.regions.append(replace(record, extent=extent))
        if remark:
            found.remarks.append({'file_name': name, 'remark': remark})
        return
    entry['file_name'] = printable(name)
    entry['stamp'] = None if stamp is None else list(stamp)
    found.unreadable.append(entry)


def find_regions(
    data: bytes,
    stamp: FileStamp,
    path: str,
    name: str,
    search: SearchSpec | Finder,
    limit: MemoryLimit,
) -> tuple[ProposalRecord, str]:
    """Decode one image and find all its regions.

    Args:
        data: The image file's bytes.
        stamp: Of the file.
        path: Its path, for messages.
        name: Its name in the store.
        search: Parameters of selective search, or its replacement.
        limit: Memory for one image.

    Returns:
        The regions; and a remark about the image, or ''.

    Raises:
        UnreadableImageError: If it cannot be decoded, or is larger than a
            store can hold.
        TooLargeError: If its search would take too much memory.
        RuntimeError: If the search fails; the message names the image.
    """
    size = height, width = decode_size(data, path)
    if max(size) > MAX_SIDE:
        raise UnreadableImageError(path, f'a side is above {MAX_SIDE} pixels')
    zoom = limit.zoom(height, width)
    if not zoom:
        raise TooLargeError(path, height, width, limit)
    rgb = decode_rgb(data, path)
    size = height, width = rgb.shape[:2]
    remark = remark_on(rgb)
    if zoom < 1:
        rgb = shrink_image(rgb, zoom)
        remark = f'searched at {zoom:.0%} of its size to save memory'
    try:
        bboxes = _find(rgb, search)
    except MemoryError:
        raise UnreadableImageError(path, 'not enough memory') from None
    except Exception as e:
        # A compiled kernel makes a SystemError of a stop signal.
        if isinstance(e.__cause__, KeyboardInterrupt):
            raise e.__cause__ from None
        raise RuntimeError(f'the search failed on {path!r}') from e
    if zoom < 1:
        bboxes = enlarge_bboxes(bboxes, rgb.shape[:2], size)
    return ProposalRecord(name, height, width, bboxes, stamp=stamp), remark


def _find(rgb: np.ndarray, search: SearchSpec | Finder) -> np.ndarray:
    """Return (N, 4) xyxy regions of an image."""
    if isinstance(search, SearchSpec):
        return selective_search(rgb, search).bboxes
    return search.find(rgb)


def keep_proposals(
    record: ProposalRecord, filters: FilterSpec
) -> ProposalRecord:
    """Filter the regions of one image."""
    bboxes, fallback = filter_regions(
        record.bboxes, record.height, record.width, filters
    )
    return replace(record, bboxes=bboxes, fallback=fallback)
