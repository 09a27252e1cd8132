"""Tell whether the search or the filter loses labeled objects."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmsoco.evaluation.proposal_recall import Overlaps, PictureObjects
from mmsoco.proposals.filters import FilterSpec
from mmsoco.proposals.generation.job import regions_path
from mmsoco.proposals.records import ProposalRecord
from mmsoco.proposals.search.spec import SearchSpec
from mmsoco.proposals.store import ProposalStore
from mmsoco.workflow.filter_choice import (
    COVERED_IOU,
    SAMPLE,
    choose_filter,
    describe_filter,
    is_covered,
    measure,
    sample_regions,
)

# Another filter is suggested only if it finds at least this share more
# objects.
_WORTHWHILE = 0.05
# Below this recall, the search itself misses the objects.
_GOOD_RECALL = 0.7


def advise(
    store: ProposalStore,
    images: Path,
    pictures: Sequence[PictureObjects],
    own: Overlaps,
) -> list[str]:
    """Advise on missed objects, by whether search or filter loses them.

    Args:
        store: The proposals.
        images: Folder of the pictures.
        pictures: The labeled pictures with their objects.
        own: Overlaps of the proposals with the objects.

    Returns:
        Lines to print; none for a store whose search or filter is not known.
    """
    recall = own.recall(own.numbers[-1], COVERED_IOU)
    limits, search = (store.metadata.get(k) for k in ('filter', 'search'))
    if not limits or not search or 'detector' in search:
        return []
    objects = {record.file_name: boxes for record, boxes in pictures}
    regions = _regions(store, images, [*objects])
    if not regions:
        return []
    found = np.concatenate(
        [is_covered(objects[r.file_name], r.bboxes) for r in regions]
    )
    kept = measure(regions, FilterSpec(**limits), objects).recall
    choice = choose_filter(regions, objects)
    best = choice.chosen.recall
    # Each picture has objects, so the recalls are defined.
    assert recall is not None and kept is not None and best is not None
    lines = [
        f'of {len(found)} objects in {len(regions)} pictures, the search '
        f'finds {found.mean():.0%} (IoU {COVERED_IOU}), and the filter of the '
        f'store keeps {kept:.0%}'
    ]
    if best > kept + _WORTHWHILE:
        lines += [
            f'advice: the filter loses objects; '
            f'{describe_filter(choice.spec)} would keep '
            f'{best:.0%}. To make such proposals:',
            '  ' + _command(store, images, choice.spec),
        ]
    elif recall < _GOOD_RECALL:
        lines.append(
            'advice: no other filter helps, since the search itself does not '
            'find the objects; the boxes of a pretrained detector may help '
            '(`mmsoco propose --detector`)'
        )
    return lines


def _regions(
    store: ProposalStore, images: Path, names: Sequence[str]
) -> list[ProposalRecord]:
    """Return all regions of some pictures: stored, or from a new search."""
    kept = regions_path(store.path)
    if not kept.is_file():
        search = SearchSpec(**store.metadata['search'])
        return sample_regions(images, names, SAMPLE, search=search)
    regions = ProposalStore(kept)
    there = []
    for name in names:
        try:
            there.append(regions[regions.index_of(name)])
        except KeyError:
            continue
    return there


def _command(store: ProposalStore, images: Path, spec: FilterSpec) -> str:
    """Return the command line that makes proposals with another filter."""
    kept = regions_path(store.path)
    source = f'propose "{images}"'
    if kept.is_file():
        source = f'convert regions "{kept}"'
    options = describe_filter(spec)
    # The paper's filter is the default of the options.
    options = f' {options}' if options.startswith('--') else ''
    return f'mmsoco {source} --out wider.arrow{options}'
