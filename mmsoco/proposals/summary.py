"""What a store holds, in lines for a reader."""

import numpy as np

from mmsoco.proposals.filters import FALLBACK_NAMES
from mmsoco.proposals.store import ProposalStore

_MOST_NAMED = 20


def describe(store: ProposalStore) -> str:
    """Describe a store in lines: images, boxes, fallbacks, unreadable."""
    metadata = store.metadata
    counts = store.box_counts()
    lines = [f'images: {len(store)}']
    if len(store):
        lines.append(
            f'boxes per image: median {np.median(counts):g}, '
            f'mean {counts.mean():.1f}, {counts.min()} to {counts.max()}'
        )
    if metadata.get('filter'):
        fallbacks = ', '.join(
            f'{name} {count}'
            for name, count in zip(
                FALLBACK_NAMES, metadata['fallbacks'], strict=True
            )
        )
        lines.append(f'images by filter that found boxes: {fallbacks}')
    if not store.has_checksums:
        lines.append(
            'no checksums: made by an older mmsoco, so that damage to this '
            'file would not be noticed'
        )
    unreadable = metadata.get('unreadable', [])
    lines.append(f'unreadable images: {len(unreadable)}')
    lines += [
        f'  {entry["file_name"]}: {entry["reason"]}'
        for entry in unreadable[:_MOST_NAMED]
    ]
    if len(unreadable) > _MOST_NAMED:
        lines.append(
            f'  ... and {len(unreadable) - _MOST_NAMED} more, all named in '
            "the store's metadata"
        )
    return '\n'.join(lines)
