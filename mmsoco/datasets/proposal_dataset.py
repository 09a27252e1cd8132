"""Images joined with their proposals."""

import logging
import os
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from mmengine.dataset import BaseDataset, Compose
from mmengine.logging import print_log

from mmsoco.images.opening import open_images
from mmsoco.images.reading import (
    PixelFormat,
    UnreadableImageError,
    decode_pixels,
)
from mmsoco.images.source import ImageSource
from mmsoco.images.tar_source import ImageTar, TarError
from mmsoco.proposals.filters import Fallback
from mmsoco.proposals.records import changed_images
from mmsoco.proposals.store import ProposalRecord, ProposalStore
from mmsoco.registry import DATASETS, TRANSFORMS
from mmsoco.utils.problems import Outcome, printable

from .samplers import SampleKey

# So many images in a row that cannot be used are not an accident.
_MAX_SUBSTITUTES = 10
# Images compared with the store when the dataset is opened.
_NUM_CHECKED = 16
# The path or address of images, or the path of a store.
Place = str | os.PathLike[str]


class StoreMismatchError(ValueError):
    """A proposal store that does not belong to the images."""


@DATASETS.register_module()
class ProposalDataset(BaseDataset):
    """Images of a folder, with the proposals of a store.

    It holds neither names nor boxes: the store is mapped into memory, and the
    workers share its pages, so that a million images cost no more memory
    than a hundred.

    ``dataset[SampleKey(seed, epoch, index)]`` is a pure function of the key;
    ``dataset[i]`` stands for ``dataset[SampleKey(0, 0, i)]``. The pipeline
    gets ``img`` ((H, W, 3) uint8 RGB, or see ``channels``), ``bboxes``
    ((N, 4) float32 xyxy in the image's pixels; an image without proposals
    has one box, the whole image), ``file_name``, ``index`` and ``rng``, a
    generator seeded with the key: the only source of randomness.

    An image that cannot be used while training is replaced by another one,
    drawn from the key, and named in a warning: a run of days must not end
    with one damaged file.

    Images can also come from a plain tar file (see `mmsoco pack`), in which
    the store gives the position of each, or from a storage backend of
    mmengine.

    Several folders, each with its own store, are one dataset; their
    images come one folder after the other. mmengine's wrappers work on it:
    ``ConcatDataset``, ``RepeatDataset``, and ``ClassBalancedDataset``, to
    which each folder is a class.

    Args:
        image_root: Folder of the images, a tar file of them, or what a
            backend puts before the names; or a list of such places.
        proposals: Proposal store of that folder, made by `mmsoco propose`, or
            a list with one of each folder; None takes all images of a folder,
            without proposals (for methods on whole images).
        pipeline: Transforms, see `mmsoco.datasets.transforms`.
        substitute: Whether an image that cannot be used is replaced. If not,
            it raises the error.
        backend_args: Arguments of `mmengine.fileio.get_file_backend`, such as
            ``dict(backend='petrel')``; None for files of this machine, or
            if the address names the backend.
        ann_file: Names of the images, one per line, or a COCO-style JSON
            file: for places without a store that cannot be listed, or of
            which a part is wanted.
        channels: Of an image: 3, RGB; 1, gray; 4, see `PixelFormat`. As many
            as the detector's ``backbone.in_channels``.
        depth: 8, or 16 to keep the depth of 16-bit images: ``img`` is then
            float32 in 0 to 255.

    Raises:
        FileNotFoundError: If the folder or the store is not there.
        StoreMismatchError: If the store belongs to other images.
        ValueError: If there are no images.
    """

    def __init__(
        self,
        image_root: Place | Sequence[Place],
        proposals: Place | Sequence[Place | None] | None,
        pipeline: Sequence[dict],
        substitute: bool = True,
        backend_args: Mapping[str, Any] | None = None,
        ann_file: str | None = None,
        channels: int = 3,
        depth: int = 8,
    ) -> None:
        self.pixels = PixelFormat(channels, depth)
        # BaseDataset itself would read an annotation file; its wrappers ask
        # for these two.
        self._metainfo: dict = {}
        self._fully_initialized = True
        self.sources = [
            open_source(root, store, backend_args, ann_file)
            for root, store in _pairs(image_root, proposals)
        ]
        # Where each folder's images end.
        self._ends = list(accumulate(len(s.records) for s in self.sources))
        self.pipeline = Compose([TRANSFORMS.build(t) for t in pipeline])
        self.substitute = substitute
        self._reported: set[str] = set()
        for source in self.sources:
            if source.store is not None:
                self._check_store(source.store, source.images)
                _log_fallbacks(source.store)

    def full_init(self) -> None:
        """Do nothing: what a dataset holds is opened at once."""

    def get_subset_(self, indices: Sequence[int] | int) -> None:
        """Refuse: a subset needs a separate store.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError(
            'a ProposalDataset has no subsets; make a store of the wanted '
            'images with `mmsoco propose --ann-file`'
        )

    get_subset = get_subset_

    def get_data_info(self, index: int) -> dict:
        """Describe an image without reading it.

        Args:
            index: The image's place in the dataset.

        Returns:
            ``img_path``, ``file_name``, ``height`` and ``width`` (0 without a
            store), ``bboxes`` and ``sample_idx``.
        """
        source, row = self._locate(index)
        record = source.records[row]
        return dict(
            img_path=source.images.where(record.file_name),
            file_name=record.file_name,
            height=record.height,
            width=record.width,
            bboxes=record.bboxes,
            sample_idx=int(index),
        )

    def get_cat_ids(self, index: int) -> list[int]:
        """Return the number of an image's folder, its only class."""
        return [self._number(index)]

    def __len__(self) -> int:
        return self._ends[-1]

    def _number(self, index: int) -> int:
        """Return the number of the folder that has an image.

        Raises:
            IndexError: If the index is not that of an image.
        """
        if not 0 <= index < len(self):
            raise IndexError(
                f'index {int(index)} of a dataset of {len(self)} images'
            )
        return bisect_right(self._ends, index)

    def _locate(self, index: int) -> tuple['Source', int]:
        """Return the folder that has an image, and its row there."""
        source = self.sources[self._number(index)]
        return source, int(index) - self._ends[self._number(index)] + len(
            source.records
        )

    def __getitem__(self, key: SampleKey | int) -> dict:
        """Make one sample.

        Args:
            key: What the sample is drawn from, or an index.

        Returns:
            What the pipeline makes, see `PackViews`.

        Raises:
            IndexError: If the index is not that of an image.
            UnreadableImageError: If the image cannot be read and is not to
                be replaced.
            StoreMismatchError: If the image does not have the size that the
                store records, and is not to be replaced.
            RuntimeError: If ten images in a row cannot be used.
        """
        if not isinstance(key, SampleKey):
            key = SampleKey(0, 0, int(key))
        self._number(key.index)
        rng = np.random.default_rng(key.entropy)
        return self.pipeline({**self._load_usable(key.index, rng), 'rng': rng})

    def load(self, index: int) -> dict:
        """Read one image and its boxes.

        Args:
            index: The image's place in the dataset.

        Returns:
            ``img``, ``bboxes``, ``file_name`` and ``index``, see the class.

        Raises:
            UnreadableImageError: If the image cannot be read.
            StoreMismatchError: If the image does not have the size that the
                store records.
        """
        source, row = self._locate(index)
        record = source.records[row]
        name = record.file_name
        data = source.images.read(name, record.extent)
        img = decode_pixels(data, source.images.where(name), self.pixels)
        _check_size(record, img.shape[:2])
        bboxes = record.bboxes
        if not len(bboxes):
            height, width = img.shape[:2]
            bboxes = np.array([[0, 0, width, height]], np.float32)
        return dict(
            img=img, bboxes=bboxes, file_name=record.file_name, index=index
        )

    def _load_usable(self, index: int, rng: np.random.Generator) -> dict:
        """Load an image or, while it cannot be used, another one."""
        for _ in range(_MAX_SUBSTITUTES):
            try:
                return self.load(index)
            except (UnreadableImageError, StoreMismatchError) as e:
                if not self.substitute:
                    raise
                error = e
                source, row = self._locate(index)
                name = source.records[row].file_name
                self._report(source.images.where(name), error)
            index = int(rng.integers(len(self)))
        raise RuntimeError(
            f'{_MAX_SUBSTITUTES} images in a row of '
            f'{[source.images.root for source in self.sources]} cannot be '
            'used; is the disk still there?'
        ) from error

    def _report(self, path: str, error: Exception) -> None:
        """Warn of a file once per process."""
        if path not in self._reported:
            self._reported.add(path)
            print_log(
                f'another image takes its place ({len(self._reported)} so far '
                f'in this process): {error}',
                logger='current',
                level=logging.WARNING,
            )

    def _check_store(self, store: ProposalStore, images: ImageSource) -> None:
        """Compare some images with their store."""
        if store.metadata.get('kind') == 'regions':
            raise StoreMismatchError(
                f'{str(store.path)!r} holds all regions of the search, not '
                'the proposals chosen from them; choose them with `mmsoco '
                'convert regions`'
            )
        _refuse_other_tar(store, images)
        picked = np.unique(
            np.linspace(0, len(store) - 1, _NUM_CHECKED).astype(int)
        )
        names = [store.file_name(int(i)) for i in picked]
        missing = [
            name
            for i, name in zip(picked, names, strict=True)
            if not images.holds(name, store[int(i)].extent)
        ]
        if 2 * len(missing) > len(names):
            raise StoreMismatchError(
                f'proposal store {str(store.path)!r} does not belong to the '
                f'image folder {images.root!r}: {len(missing)} of '
                f'{len(names)} names looked for are not there, e.g. '
                f'{missing[0]!r}; it was made for '
                f'{store.metadata.get("image_root", "unknown")!r}. '
                'Set image_root to that folder, or make a new store with '
                '`mmsoco propose`'
            )
        there = [
            store[int(i)]
            for i, name in zip(picked, names, strict=True)
            if name not in missing
        ]
        for record in there:
            self._check_image(record, images)
        _warn_of_changes(there, images)

    def _check_image(
        self, record: ProposalRecord, images: ImageSource
    ) -> None:
        name = record.file_name
        try:
            size = images.read_size(name, record.extent)
        except UnreadableImageError as e:
            self._report(images.where(name), e)
        else:
            _check_size(record, size)

    def __repr__(self) -> str:
        sources = ', '.join(
            f'{source.images.root!r} with {source.records!r}'
            for source in self.sources
        )
        return f'ProposalDataset({sources}: {len(self)} images)'


class Source(NamedTuple):
    """A place of images, and what is known of them.

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


def _refuse_other_tar(store: ProposalStore, images: ImageSource) -> None:
    """Raise StoreMismatchError if a store's tar file is another one."""
    expected = store.metadata.get('tar')
    if expected is None or not isinstance(images, ImageTar):
        return
    try:
        images.refuse_other(expected)
    except TarError as e:
        raise StoreMismatchError(f'{e} ({str(store.path)!r})') from e


def _pairs(
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


def _warn_of_changes(
    records: Sequence[ProposalRecord], images: ImageSource
) -> None:
    """Warn where images are not those that proposals were made from."""
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


def _log_fallbacks(store: ProposalStore) -> None:
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


def _check_size(record: ProposalRecord, size: tuple[int, int]) -> None:
    """Compare the (height, width) of an image with its record."""
    expected = (record.height, record.width)
    if record.height and size != expected:
        raise StoreMismatchError(
            f'image {record.file_name!r} is {size[0]} x {size[1]} pixels '
            f'(height x width), but its proposals were made for '
            f'{expected[0]} x {expected[1]}; make a new store with '
            '`mmsoco propose`'
        )
