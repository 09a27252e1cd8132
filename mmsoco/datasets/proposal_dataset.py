"""Images joined with their proposals."""

import logging
import os
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from mmengine.dataset import BaseDataset, Compose
from mmengine.logging import print_log

from mmsoco.images.lists import find_images
from mmsoco.images.reading import UnreadableImageError, read_rgb, read_size
from mmsoco.proposals.filters import Fallback
from mmsoco.proposals.records import changed_images
from mmsoco.proposals.store import ProposalRecord, ProposalStore
from mmsoco.registry import DATASETS, TRANSFORMS

from .samplers import SampleKey

# So many images in a row that cannot be used are not an accident.
_MAX_SUBSTITUTES = 10
# Images compared with the store when the dataset is opened.
_NUM_CHECKED = 16


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
    gets ``img`` ((H, W, 3) uint8 RGB), ``bboxes`` ((N, 4) float32 xyxy in
    the image's pixels; an image without proposals has one box, the whole
    image), ``file_name``, ``index`` and ``rng``, a generator seeded with the
    key: the only source of randomness.

    An image that cannot be used while training is replaced by another one,
    drawn from the key, and named in a warning: a run of days must not end
    with one damaged file.

    Several folders, each with a store of its own, are one dataset; their
    images come one folder after the other. mmengine's wrappers work on it:
    ``ConcatDataset``, ``RepeatDataset``, and ``ClassBalancedDataset``, to
    which each folder is a class.

    Args:
        image_root: Folder of the images, or a list of folders.
        proposals: Proposal store of that folder, made by `mmsoco propose`, or
            a list with one of each folder; None takes all images of a folder,
            without proposals (for methods on whole images).
        pipeline: Transforms, see `mmsoco.datasets.transforms`.
        substitute: Whether an image that cannot be used is replaced. If not,
            it raises the error.

    Raises:
        FileNotFoundError: If the folder or the store is not there.
        StoreMismatchError: If the store belongs to other images.
        ValueError: If there are no images.
    """

    def __init__(
        self,
        image_root: str | Sequence[str],
        proposals: str | Sequence[str | None] | None,
        pipeline: Sequence[dict],
        substitute: bool = True,
    ) -> None:
        # BaseDataset itself would read an annotation file; its wrappers ask
        # for these two.
        self._metainfo: dict = {}
        self._fully_initialized = True
        self.sources = [
            open_source(root, store)
            for root, store in _pairs(image_root, proposals)
        ]
        # Where each folder's images end.
        self._ends = list(accumulate(len(s.records) for s in self.sources))
        self.pipeline = Compose([TRANSFORMS.build(t) for t in pipeline])
        self.substitute = substitute
        self._reported: set[Path] = set()
        for source in self.sources:
            if source.has_store:
                self._check_store(source)
                _log_fallbacks(source)

    def full_init(self) -> None:
        """Do nothing: what a dataset holds is opened at once."""

    def get_subset_(self, indices: Sequence[int] | int) -> None:
        """Refuse: a subset is a store of its own.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError(
            'a ProposalDataset has no subsets; make a store of the wanted '
            'images with `mmsoco propose --ann-file`'
        )

    get_subset = get_subset_

    def get_data_info(self, index: int) -> dict:
        """Tell of an image without reading it.

        Args:
            index: The image's place in the dataset.

        Returns:
            ``img_path``, ``file_name``, ``height`` and ``width`` (0 without a
            store), ``bboxes`` and ``sample_idx``.
        """
        source, row = self._locate(index)
        record = source.records[row]
        return dict(
            img_path=str(source.root / record.file_name),
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
                store tells, and is not to be replaced.
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
                store tells.
        """
        source, row = self._locate(index)
        record = source.records[row]
        img = read_rgb(source.root / record.file_name)
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
                self._report(source.root / name, error)
            index = int(rng.integers(len(self)))
        raise RuntimeError(
            f'{_MAX_SUBSTITUTES} images in a row of '
            f'{[str(source.root) for source in self.sources]} cannot be '
            'used; is the disk still there?'
        ) from error

    def _report(self, path: Path, error: Exception) -> None:
        """Warn of a file once per process."""
        if path not in self._reported:
            self._reported.add(path)
            print_log(
                f'another image takes its place ({len(self._reported)} so far '
                f'in this process): {error}',
                logger='current',
                level=logging.WARNING,
            )

    def _check_store(self, source: 'Source') -> None:
        """Compare some images with their store."""
        store, root = source.records, source.root
        if store.metadata.get('kind') == 'regions':
            raise StoreMismatchError(
                f'{str(store.path)!r} holds all regions of the search, not '
                'the proposals chosen from them; choose them with `mmsoco '
                'convert regions`'
            )
        picked = np.unique(
            np.linspace(0, len(store) - 1, _NUM_CHECKED).astype(int)
        )
        names = [store.file_name(int(i)) for i in picked]
        missing = [n for n in names if not (root / n).is_file()]
        if 2 * len(missing) > len(names):
            raise StoreMismatchError(
                f'proposal store {str(store.path)!r} does not belong to the '
                f'image folder {str(root)!r}: {len(missing)} of {len(names)} '
                f'names looked for are not there, e.g. {missing[0]!r}; it was '
                f'made for {store.metadata.get("image_root", "unknown")!r}. '
                'Set image_root to that folder, or make a new store with '
                '`mmsoco propose`'
            )
        there = [
            store[int(i)]
            for i, name in zip(picked, names, strict=True)
            if name not in missing
        ]
        for record in there:
            self._check_image(record, root)
        _warn_of_changes(there, root)

    def _check_image(self, record: ProposalRecord, root: Path) -> None:
        try:
            size = read_size(root / record.file_name)
        except UnreadableImageError as e:
            self._report(root / record.file_name, e)
        else:
            _check_size(record, size)

    def __repr__(self) -> str:
        sources = ', '.join(
            f'{str(source.root)!r} with {source.records!r}'
            for source in self.sources
        )
        return f'ProposalDataset({sources}: {len(self)} images)'


class Source(NamedTuple):
    """A folder of images, and what is known of them.

    Attributes:
        root: The folder.
        records: A record per image.
    """

    root: Path
    records: 'ProposalStore | _FolderRecords'

    @property
    def has_store(self) -> bool:
        """Whether there are proposals."""
        return isinstance(self.records, ProposalStore)


def open_source(root: str, store: str | None) -> Source:
    """Open a folder and its store.

    Raises:
        FileNotFoundError: If either is not there.
        ValueError: If there are no images.
    """
    folder = Path(root)
    if not folder.is_dir():
        raise FileNotFoundError(
            f'image folder {str(root)!r} does not exist; set '
            'train_dataloader.dataset.image_root'
        )
    records = _FolderRecords(folder) if store is None else ProposalStore(store)
    if not len(records):
        raise ValueError(f'no images: {str(store or root)!r} is empty')
    return Source(folder, records)


def _pairs(
    image_root: str | Sequence[str],
    proposals: str | Sequence[str | None] | None,
) -> list[tuple[str, str | None]]:
    """Pair folders with their stores.

    Raises:
        ValueError: If there are none, or not as many of both.
    """
    single = isinstance(image_root, str | os.PathLike)
    roots = [image_root] if single else list(image_root)
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


def _warn_of_changes(records: Sequence[ProposalRecord], root: Path) -> None:
    """Warn where images are not those that proposals were made from."""
    changed = changed_images(records, root)
    if changed:
        print_log(
            f'{len(changed)} of {len(records)} images looked at in '
            f'{str(root)!r} have changed since their proposals were made, '
            f'such as {changed[0]!r}; call `mmsoco propose` again, which '
            'works on changed images alone',
            logger='current',
            level=logging.WARNING,
        )


def _log_fallbacks(source: Source) -> None:
    metadata = source.records.metadata
    without = metadata['fallbacks'][Fallback.NONE]
    note = ''
    if not source.records.has_checksums:
        note = '; the store is of an older release and has no checksums'
    print_log(
        f'{len(source.records)} images with {metadata["boxes"]} proposals; '
        f'{without} images have none and are used as a whole{note}',
        logger='current',
    )


class _FolderRecords:
    """The images of a folder as records without proposals."""

    def __init__(self, root: Path) -> None:
        found = find_images(root)
        if found.problems:
            print_log(found.report(), logger='current')
        # One block of memory that worker processes share; a list of Python
        # strings is copied to each of them as its reference counts change.
        self._names = pa.array(found.names, pa.string())

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
