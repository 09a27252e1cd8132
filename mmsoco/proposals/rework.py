"""Make stores from stores: join shards or stores, or filter regions again."""

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mmsoco.proposals.filters import FilterSpec
from mmsoco.proposals.generation.worker import keep_proposals
from mmsoco.proposals.records import ProposalRecord
from mmsoco.proposals.store import COUNTED, ProposalStore, ProposalStoreWriter
from mmsoco.structures.boxes import box_iou
from mmsoco.utils.files import refuse_existing


def inherited_metadata(store: ProposalStore) -> dict[str, Any]:
    """Return a store's metadata, except for counts of its rows."""
    return {k: v for k, v in store.metadata.items() if k not in COUNTED}


def merge_shards(
    paths: Sequence[str | os.PathLike],
    out: str | os.PathLike,
    overwrite: bool = False,
) -> ProposalStore:
    """Join all shards of one job into the store of the whole.

    Args:
        paths: The shards' stores, in any order.
        out: The store to make.
        overwrite: Replace an old one.

    Returns:
        The joined store.

    Raises:
        ValueError: If shards are of different jobs, missing, duplicate, or do
            not hold all their images; the message names them.
        FileExistsError: If ``out`` is there.
        StoreError: If a shard is not a store.
    """
    refuse_existing(out, overwrite, 'proposal store')
    stores = [ProposalStore(path) for path in paths]
    _check_same_job(stores)
    shards = _in_order(stores)
    metadata = inherited_metadata(shards[0])
    metadata['shard'] = [0, 1]
    for key in ('unreadable', 'remarks'):
        metadata[key] = [
            entry for store in shards for entry in store.metadata.get(key, ())
        ]
    found = sum(len(s) for s in shards) + len(metadata['unreadable'])
    expected = metadata['image_list']['count']
    if found != expected:
        raise ValueError(
            f'the shards account for {found} images, expected {expected}; '
            'generate them again'
        )
    with ProposalStoreWriter(out, metadata) as writer:
        for store in shards:
            writer.write(store)
    return ProposalStore(out)


def _check_same_job(stores: list[ProposalStore]) -> None:
    """Raise ValueError unless all stores are shards of one job."""
    keys = (
        'kind', 'image_root', 'backend_args', 'tar', 'image_list', 'search',
        'filter',
    )  # fmt: skip
    first = stores[0].metadata
    for store in stores:
        if 'shard' not in store.metadata:
            raise ValueError(
                f'{str(store.path)!r} is not a shard: it was not made by '
                '`mmsoco propose`'
            )
        for key in keys:
            if store.metadata.get(key) != first.get(key):
                raise ValueError(
                    f'{str(store.path)!r} is of another job: {key} is '
                    f'{store.metadata.get(key)}, but of '
                    f'{str(stores[0].path)!r} {first.get(key)}'
                )


def _in_order(stores: list[ProposalStore]) -> list[ProposalStore]:
    """Sort shards; raise ValueError if one is missing or duplicate."""
    count = stores[0].metadata['shard'][1]
    by_index: dict[int, ProposalStore] = {}
    for store in stores:
        index, of = store.metadata['shard']
        if of != count:
            raise ValueError(
                f'{str(store.path)!r} is one of {of} shards, the first one '
                f'of {count}'
            )
        if index in by_index:
            raise ValueError(
                f'shard {index}/{count} comes twice: '
                f'{str(by_index[index].path)!r} and {str(store.path)!r}'
            )
        by_index[index] = store
    missing = sorted(set(range(count)) - set(by_index))
    if missing:
        names = ', '.join(f'{index}/{count}' for index in missing)
        raise ValueError(
            f'shards {names} are missing; make them with --shard, or name '
            'their files'
        )
    return [by_index[index] for index in range(count)]


def refilter(
    regions: str | os.PathLike,
    out: str | os.PathLike,
    filters: FilterSpec,
    overwrite: bool = False,
) -> ProposalStore:
    """Choose proposals from kept regions, without a second search.

    Args:
        regions: A ``.regions.arrow`` file.
        out: The store to make.
        filters: The new limits.
        overwrite: Replace an old store.

    Returns:
        The new store, as the generator would have made it.

    Raises:
        ValueError: If ``regions`` holds no regions.
        FileExistsError: If ``out`` is there.
        StoreError: If ``regions`` is not a store.
    """
    refuse_existing(out, overwrite, 'proposal store')
    store = ProposalStore(regions)
    if store.metadata.get('kind') != 'regions':
        raise ValueError(
            f'{str(store.path)!r} holds filtered proposals, not regions; '
            'name the .regions.arrow file that `mmsoco propose '
            '--keep-regions` wrote'
        )
    metadata = {
        **inherited_metadata(store),
        'kind': 'proposals',
        'filter': filters.as_dict(),
    }
    with ProposalStoreWriter(out, metadata) as writer:
        writer.write(keep_proposals(record, filters) for record in store)
    return ProposalStore(out)


def join_stores(
    first: str | os.PathLike,
    second: str | os.PathLike,
    out: str | os.PathLike,
    iou: float = 0.7,
    overwrite: bool = False,
) -> ProposalStore:
    """Add the boxes of one store to those of another, without repetitions.

    Args:
        first: The store whose boxes are all kept, such as one of selective
            search.
        second: The store whose boxes are added, such as one of a detector:
            those that do not overlap an existing box, in their order.
        out: The store to make.
        iou: Overlap from which a box counts as existing.
        overwrite: Replace an old store of other boxes.

    Returns:
        The joined store; an old one of the same boxes is kept.

    Raises:
        ValueError: If the stores are of other images, or hold regions.
        FileExistsError: If ``out`` is there and holds something else.
        StoreError: If a file is not a store.
    """
    stores = [ProposalStore(path) for path in (first, second)]
    metadata = _joined_metadata(stores, iou)
    if os.path.exists(out) and not overwrite:
        old = ProposalStore(out)
        if old.metadata.get('joined') == metadata['joined']:
            return old
    refuse_existing(out, overwrite, 'proposal store')
    with ProposalStoreWriter(out, metadata) as writer:
        writer.write(_join_rows(stores[0], stores[1], iou))
    return ProposalStore(out)


def _joined_metadata(
    stores: Sequence[ProposalStore], iou: float
) -> dict[str, Any]:
    """Make the metadata of the joined store from those of both stores."""
    first = stores[0]
    for store in stores:
        _refuse_regions(store)
    keys = ('search', 'joined', 'filter', 'image_list')
    return {
        'kind': 'proposals',
        'image_root': first.metadata.get('image_root'),
        'filter': first.metadata.get('filter'),
        'unreadable': first.metadata.get('unreadable', []),
        'joined': {
            'iou': iou,
            'stores': [
                {
                    **{k: s.metadata[k] for k in keys if k in s.metadata},
                    'boxes': s.metadata['boxes'],
                }
                for s in stores
            ],
        },
    }


def _refuse_regions(store: ProposalStore) -> None:
    if store.metadata.get('kind') == 'regions':
        raise ValueError(
            f'{str(store.path)!r} holds all regions, not the proposals '
            'chosen from them; choose them with `mmsoco convert regions`'
        )


def refuse_unjoinable(
    path: str | os.PathLike, names: Collection[str], image_root: str
) -> None:
    """Refuse a store to join before the boxes to add to it are made.

    Args:
        path: The store, see `join_stores`.
        names: The images whose boxes are to be added.
        image_root: Where they are.

    Raises:
        ValueError: If the store is of other images, or holds regions.
        StoreError: If the file is not a store.
    """
    store = ProposalStore(path)
    _refuse_regions(store)
    there = {store.file_name(row) for row in range(len(store))}
    entries = store.metadata.get('unreadable', [])
    unreadable = {entry['file_name'] for entry in entries}
    absent = sorted(set(names) - there - unreadable)
    foreign = sorted(there - set(names))
    if absent or foreign:
        raise ValueError(
            f'{str(path)!r} is of other images than {image_root!r}: '
            f'{len(absent)} of {len(names)} images there are not in the '
            f'store, and {len(foreign)} of its {len(there)} are not there, '
            f'such as {(absent or foreign)[0]!r}; make both of the same '
            'folder'
        )


def _join_rows(
    first: ProposalStore, second: ProposalStore, iou: float
) -> Iterator[ProposalRecord]:
    """Yield the rows of both stores, which must be of the same images."""
    if len(first) != len(second):
        raise _other_images(first, second, f'{len(first)} and {len(second)}')
    for one, two in zip(first, second, strict=True):
        names = [f'{r.file_name} ({r.width} x {r.height})' for r in (one, two)]
        if names[0] != names[1]:
            raise _other_images(first, second, ' and '.join(names))
        yield replace(
            one,
            bboxes=add_boxes(one.bboxes, two.bboxes, iou),
            fallback=min(one.fallback, two.fallback),
        )


def _other_images(
    first: ProposalStore, second: ProposalStore, difference: str
) -> ValueError:
    return ValueError(
        f'{str(first.path)!r} and {str(second.path)!r} are of other images '
        f'({difference}); make both of the same folder'
    )


def add_boxes(boxes: np.ndarray, others: np.ndarray, iou: float) -> np.ndarray:
    """Add boxes one after the other, unless they overlap an existing one.

    Args:
        boxes: (n, 4) xyxy, which are all kept.
        others: (m, 4) xyxy in the same pixels, the best first.
        iou: Overlap from which a box is not added.

    Returns:
        (n + k, 4).
    """
    everything = np.concatenate([boxes, others])
    overlaps = box_iou(others, everything)
    kept = list(range(len(boxes)))
    for row, place in enumerate(range(len(boxes), len(everything))):
        if not kept or overlaps[row, kept].max() < iou:
            kept.append(place)
    return everything[kept]
