"""Open the places that a data set takes its images and proposals from."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from mmengine.logging import print_log

from mmsoco.images.opening import open_images
from mmsoco.images.source import ImageSource
from mmsoco.proposals.store import ProposalRecord, ProposalStore
from mmsoco.utils.problems import Outcome, printable

# The path or address of images, or the path of a store.
Place = str | os.PathLike[str]


class Source(NamedTuple):
    """A place of images, and a record of each image.

    Attributes:
        images: The place.
        records: A record per image.
    """

    images: ImageSource
    records: 'ProposalStore | _NamedRecords'

    @property
    def store(self) -> ProposalStore | None:
        """The proposals, if there are any."""
        if isinstance(self.records, ProposalStore):
            return self.records
        return None


def open_source(
    root: Place,
    store: Place | None,
    backend_args: Mapping[str, Any] | None = None,
    ann_file: str | None = None,
) -> Source:
    """Open a place of images and its store; see `ProposalDataset`.

    Raises:
        FileNotFoundError: If either is not there.
        ValueError: If there are no images.
    """
    try:
        images = open_images(root, backend_args)
    except (FileNotFoundError, ValueError) as e:
        raise type(e)(f'{e}. Set train_dataloader.dataset.image_root') from e
    records: ProposalStore | _NamedRecords
    if store is None:
        records = _NamedRecords(images, ann_file)
    elif ann_file is not None:
        raise ValueError(
            f'ann_file={ann_file!r} names images, and so does the proposal '
            f'store {str(store)!r}; give one of them. A store of some images '
            'is made with `mmsoco propose --ann-file`'
        )
    else:
        records = ProposalStore(store)
    if not len(records):
        raise ValueError(f'no images: {str(store or root)!r} is empty')
    return Source(images, records)


def pair_places(
    image_root: Place | Sequence[Place],
    proposals: Place | Sequence[Place | None] | None,
) -> list[tuple[Place, Place | None]]:
    """Pair folders with their stores.

    Raises:
        ValueError: If there are none, or not as many of both.
    """
    roots: list[Place]
    stores: list[Place | None]
    single = isinstance(image_root, str | os.PathLike)
    if isinstance(image_root, str | os.PathLike):
        roots = [image_root]
    else:
        roots = list(image_root)
    if proposals is None or isinstance(proposals, str | os.PathLike):
        stores = [proposals] if single or proposals else [None] * len(roots)
    else:
        stores = list(proposals)
    if not roots or len(roots) != len(stores):
        raise ValueError(
            'expected a proposal store for each image folder, got image_root '
            f'{image_root!r} and proposals {proposals!r}'
        )
    if not all(str(path) for path in (*roots, *stores)):
        raise ValueError(
            'image_root and proposals must not be empty, got '
            f'{image_root!r} and {proposals!r}'
        )
    return list(zip(roots, stores, strict=True))


class _NamedRecords:
    """The images of a place as records without proposals."""

    def __init__(self, images: ImageSource, ann_file: str | None) -> None:
        found = images.find(ann_file)
        names = []
        for name in found.names:
            if printable(name) == name:
                names.append(name)
            else:
                what = 'name that is not UTF-8'
                found.problems.add(Outcome.LOST, what, name)
        if found.problems:
            print_log(found.report(), logger='current')
        # One block of memory that worker processes share; a list of Python
        # strings is copied to each of them as its reference counts change.
        self._names = pa.array(names, pa.string())

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int) -> ProposalRecord:
        return ProposalRecord(
            file_name=self._names[index].as_py(),
            height=0,
            width=0,
            bboxes=np.empty((0, 4), np.float32),
        )

    def __repr__(self) -> str:
        return 'no proposals'
