"""Check that a proposal store belongs to the images it is used with."""

import logging
from collections.abc import Callable, Sequence

import numpy as np
from mmengine.logging import print_log

from mmsoco.images.errors import UnreadableImageError
from mmsoco.images.source import ImageSource
from mmsoco.images.tar_index import TarError
from mmsoco.images.tar_source import ImageTar
from mmsoco.proposals.filters import Fallback
from mmsoco.proposals.records import changed_images
from mmsoco.proposals.store import ProposalRecord, ProposalStore

# Images compared with the store when the dataset is opened.
_NUM_CHECKED = 16


class StoreMismatchError(ValueError):
    """A proposal store that does not belong to the images."""


def check_store(
    store: ProposalStore,
    images: ImageSource,
    report: Callable[[str, Exception], None],
) -> None:
    """Compare some images with their store.

    Args:
        store: The store.
        images: The place of its images.
        report: Gets the path of an image that cannot be read, and why.

    Raises:
        StoreMismatchError: If the store belongs to other images.
    """
    if store.metadata.get('kind') == 'regions':
        raise StoreMismatchError(
            f'{str(store.path)!r} holds all regions of the search, not the '
            'proposals chosen from them; choose them with `mmsoco convert '
            'regions`'
        )
    _refuse_other_tar(store, images)
    picked = np.unique(
        np.linspace(0, len(store) - 1, _NUM_CHECKED).astype(int)
    )
    records = [store[int(i)] for i in picked]
    there, missing = [], []
    for record in records:
        if images.holds(record.file_name, record.extent):
            there.append(record)
        else:
            missing.append(record.file_name)
    if 2 * len(missing) > len(records):
        raise StoreMismatchError(
            f'proposal store {str(store.path)!r} does not belong to the '
            f'image folder {images.root!r}: {len(missing)} of '
            f'{len(records)} names looked for are not there, e.g. '
            f'{missing[0]!r}; it was made for '
            f'{store.metadata.get("image_root", "unknown")!r}. '
            'Set image_root to that folder, or make a new store with '
            '`mmsoco propose`'
        )
    for record in there:
        name = record.file_name
        try:
            size = images.read_size(name, record.extent)
        except UnreadableImageError as e:
            report(images.where(name), e)
        else:
            check_size(record, size)
    _warn_of_changes(there, images)


def _refuse_other_tar(store: ProposalStore, images: ImageSource) -> None:
    """Raise StoreMismatchError if a store's tar file is another one."""
    expected = store.metadata.get('tar')
    if expected is None or not isinstance(images, ImageTar):
        return
    try:
        images.refuse_other(expected)
    except TarError as e:
        raise StoreMismatchError(f'{e} ({str(store.path)!r})') from e


def _warn_of_changes(
    records: Sequence[ProposalRecord], images: ImageSource
) -> None:
    """Warn if images have changed since their proposals were made."""
    changed = changed_images(records, images)
    if changed:
        print_log(
            f'{len(changed)} of {len(records)} images looked at in '
            f'{images.root!r} have changed since their proposals were made, '
            f'such as {changed[0]!r}; call `mmsoco propose` again, which '
            'works on changed images alone',
            logger='current',
            level=logging.WARNING,
        )


def log_fallbacks(store: ProposalStore) -> None:
    """Log how many images and proposals a store has."""
    metadata = store.metadata
    without = metadata['fallbacks'][Fallback.NONE]
    note = ''
    if not store.has_checksums:
        note = '; the store is of an older release and has no checksums'
    print_log(
        f'{len(store)} images with {metadata["boxes"]} proposals; '
        f'{without} images have none and are used as a whole{note}',
        logger='current',
    )


def check_size(record: ProposalRecord, size: tuple[int, int]) -> None:
    """Compare the (height, width) of an image with its record."""
    expected = (record.height, record.width)
    if record.height and size != expected:
        raise StoreMismatchError(
            f'image {record.file_name!r} is {size[0]} x {size[1]} pixels '
            f'(height x width), but its proposals were made for '
            f'{expected[0]} x {expected[1]}; make a new store with '
            '`mmsoco propose`'
        )
