"""Make stores from stores: join shards, or filter kept regions again."""

import os
from collections.abc import Sequence
from typing import Any

from mmsoco.proposals.filters import FilterSpec
from mmsoco.proposals.generation.worker import keep_proposals
from mmsoco.proposals.store import COUNTED, ProposalStore, ProposalStoreWriter
from mmsoco.utils.files import refuse_existing


def inherited_metadata(store: ProposalStore) -> dict[str, Any]:
    """Return a store's metadata, less what its rows decide."""
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
        ValueError: If shards are of different jobs, missing or there twice,
            or do not hold all their images; the message names them.
        FileExistsError: If ``out`` is there.
        StoreError: If a shard is not a store.
    """
    refuse_existing(out, overwrite)
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
    keys = ('kind', 'image_root', 'image_list', 'search', 'filter')
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
    """Sort shards; raise ValueError if one is missing or there twice."""
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
    refuse_existing(out, overwrite)
    store = ProposalStore(regions)
    if store.metadata.get('kind') != 'regions':
        raise ValueError(
            f'{str(store.path)!r} holds filtered proposals, not regions; '
            'name the .regions.arrow file that generate.py --keep-regions '
            'wrote'
        )
    metadata = {
        **inherited_metadata(store),
        'kind': 'proposals',
        'filter': filters.as_dict(),
    }
    with ProposalStoreWriter(out, metadata) as writer:
        writer.write(keep_proposals(record, filters) for record in store)
    return ProposalStore(out)
