"""A data set of images with their proposals."""

import logging
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset, Compose
from mmengine.logging import print_log

from mmsoco.images.errors import UnreadableImageError
from mmsoco.images.reading import PixelFormat, decode_pixels
from mmsoco.registry import DATASETS, TRANSFORMS

from .image_places import Place, Source, open_source, pair_places
from .samplers import SampleKey
from .store_checks import (
    StoreMismatchError,
    check_size,
    check_store,
    log_fallbacks,
)

# This many unusable images in a row are not an accident.
_MAX_SUBSTITUTES = 10


@DATASETS.register_module()
class ProposalDataset(BaseDataset):
    """A data set of images, with the proposals of a store.

    It holds neither names nor boxes: the store is mapped into memory, and the
    workers share its pages, so that a million images cost no more memory
    than a hundred.

    ``dataset[SampleKey(seed, epoch, index)]`` is a pure function of the key;
    ``dataset[i]`` stands for ``dataset[SampleKey(0, 0, i)]``. The pipeline
    gets ``img`` ((H, W, 3) uint8 RGB, or see ``channels``), ``bboxes``
    ((N, 4) float32 xyxy in the image's pixels; an image without proposals
    has one box, the whole image), ``file_name``, ``index`` and ``rng``, a
    generator seeded with the key: the only source of randomness.

    During training, an image that cannot be used is replaced by another one,
    drawn from the key, and named in a warning: one damaged file must not end a
    run of several days.

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
        ann_file: Names of the images, one per line, or a COCO-style JSON file:
            for places without a store that cannot be listed, or to use only a
            part of them.
        channels: Channels of an image: 3 for RGB, 1 for gray, 4 as in
            `PixelFormat`; the same as the detector's ``backbone.in_channels``.
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
        # The constructor of BaseDataset would read an annotation file; its
        # wrappers need these two attributes.
        self._metainfo: dict = {}
        self._fully_initialized = True
        self.sources = [
            open_source(root, store, backend_args, ann_file)
            for root, store in pair_places(image_root, proposals)
        ]
        # Where each folder's images end.
        self._ends = list(accumulate(len(s.records) for s in self.sources))
        self.pipeline = Compose([TRANSFORMS.build(t) for t in pipeline])
        self.substitute = substitute
        self._reported: set[str] = set()
        for source in self.sources:
            if source.store is not None:
                check_store(source.store, source.images, self._report)
                log_fallbacks(source.store)

    def full_init(self) -> None:
        """Do nothing: everything is opened by the constructor."""

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
            key: The key of the sample, or an index.

        Returns:
            The result of the pipeline, see `PackViews`.

        Raises:
            IndexError: If the index is not that of an image.
            UnreadableImageError: If the image cannot be read and is not
                replaced.
            StoreMismatchError: If the image does not have the size in the
                store, and is not replaced.
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
        check_size(record, img.shape[:2])
        bboxes = record.bboxes
        if not len(bboxes):
            height, width = img.shape[:2]
            bboxes = np.array([[0, 0, width, height]], np.float32)
        return dict(
            img=img, bboxes=bboxes, file_name=record.file_name, index=index
        )

    def _load_usable(self, index: int, rng: np.random.Generator) -> dict:
        """Load an image, or another one if it cannot be used."""
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
        """Warn about a file once per process."""
        if path not in self._reported:
            self._reported.add(path)
            print_log(
                f'another image takes its place ({len(self._reported)} so far '
                f'in this process): {error}',
                logger='current',
                level=logging.WARNING,
            )

    def __repr__(self) -> str:
        sources = ', '.join(
            f'{source.images.root!r} with {source.records!r}'
            for source in self.sources
        )
        return f'ProposalDataset({sources}: {len(self)} images)'
