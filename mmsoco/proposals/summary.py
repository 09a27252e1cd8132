"""Describe the contents of a store in lines of text."""

import numpy as np

from mmsoco.proposals.filters import FALLBACK_NAMES, Fallback
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
    if len(store) and metadata['fallbacks'][Fallback.NONE] == len(store):
        lines.append(
            'WARNING: no image has a proposal, so that each will be used as a '
            'whole; choose a filter that fits the pictures'
        )
    unreadable = metadata.get('unreadable', [])
    lines.append(f'unreadable images: {len(unreadable)}')
    lines += _named(unreadable, 'reason')
    if remarks := metadata.get('remarks', []):
        lines.append(f'remarkable images: {len(remarks)}')
        lines += _named(remarks, 'remark')
    return '\n'.join(lines)


def _named(entries: list[dict[str, str]], key: str) -> list[str]:
    """Name the first images of a list, each with its remark."""
    lines = [
        f'  {entry["file_name"]}: {entry[key]}'
        for entry in entries[:_MOST_NAMED]
    ]
    if len(entries) > _MOST_NAMED:
        lines.append(
            f'  ... and {len(entries) - _MOST_NAMED} more, all named in '
            "the store's metadata"
        )
    return lines
