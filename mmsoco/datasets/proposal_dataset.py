"""Images joined with their proposals."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from mmengine.dataset import Compose
from mmengine.logging import print_log
from torch.utils.data import Dataset

from mmsoco.images.lists import find_images
from mmsoco.images.reading import UnreadableImageError, read_rgb, read_size
from mmsoco.proposals.store import ProposalRecord, ProposalStore
from mmsoco.registry import DATASETS, TRANSFORMS

from .samplers import SampleKey

# So many images in a row that cannot be used are no accident.
_MAX_SUBSTITUTES = 10
# Images compared with the store when the dataset is opened.
_NUM_CHECKED = 16


class StoreMismatchError(ValueError):
    """A proposal store that does not belong to the images."""


@DATASETS.register_module()
class ProposalDataset(Dataset):
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

    Args:
        image_root: Folder of the images.
        proposals: Proposal store of that folder, made by
            ``tools/proposals/generate.py``; None takes all images of the
            folder, without proposals (for methods on whole images).
        pipeline: Transforms, see `mmsoco.datasets.transforms`.
        substitute: Whether an image that cannot be used is replaced. If not,
            it raises the error.

    Raises:
        FileNotFoundError: If the folder or the store is not there.
        StoreMismatchError: If the store belongs to other images.
        ValueError: If there are no images.
    """

    # The runner's loops look for it; there are no classes to tell of.
    metainfo: dict = {}

    def __init__(
        self,
        image_root: str,
        proposals: str | None,
        pipeline: Sequence[dict],
        substitute: bool = True,
    ) -> None:
        self.image_root = Path(image_root)
        if not self.image_root.is_dir():
            raise FileNotFoundError(
                f'image folder {str(image_root)!r} does not exist; set '
                'train_dataloader.dataset.image_root'
            )
        if proposals is None:
            self.records = _FolderRecords(self.image_root)
        else:
            self.records = ProposalStore(proposals)
        if not len(self.records):
            raise ValueError(
                f'no images: {proposals or str(image_root)!r} is empty'
            )
        self.pipeline = Compose([TRANSFORMS.build(t) for t in pipeline])
        self.substitute = substitute
        self._reported: set[str] = set()
        if proposals is not None:
            self._check_store()
            self._log_fallbacks()

    def __len__(self) -> int:
        return len(self.records)

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
        if not 0 <= key.index < len(self):
            raise IndexError(
                f'index {key.index} of a dataset of {len(self)} images'
            )
        rng = np.random.default_rng(key)
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
        record = self.records[index]
        img = read_rgb(self.image_root / record.file_name)
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
                self._report(self.records[index].file_name, error)
            index = int(rng.integers(len(self)))
        raise RuntimeError(
            f'{_MAX_SUBSTITUTES} images in a row below '
            f'{str(self.image_root)!r} cannot be used; is the disk still '
            'there?'
        ) from error

    def _report(self, file_name: str, error: Exception) -> None:
        """Warn of a file once per process."""
        if file_name not in self._reported:
            self._reported.add(file_name)
            print_log(
                f'another image takes its place ({len(self._reported)} so far '
                f'in this process): {error}',
                logger='current',
                level=logging.WARNING,
            )

    def _check_store(self) -> None:
        """Compare some images with the store."""
        if self.records.metadata.get('kind') == 'regions':
            raise StoreMismatchError(
                f'{str(self.records.path)!r} holds all regions of the search, '
                'not the proposals chosen from them; choose them with '
                'tools/proposals/refilter.py'
            )
        picked = np.unique(
            np.linspace(0, len(self) - 1, _NUM_CHECKED).astype(int)
        )
        names = [self.records.file_name(int(i)) for i in picked]
        missing = [n for n in names if not (self.image_root / n).is_file()]
        if 2 * len(missing) > len(names):
            raise StoreMismatchError(
                f'proposal store {str(self.records.path)!r} does not belong '
                f'to the image folder {str(self.image_root)!r}: '
                f'{len(missing)} of {len(names)} names looked for are not '
                f'there, e.g. {missing[0]!r}; it was made for '
                f'{self.records.metadata.get("image_root", "unknown")!r}. '
                'Set image_root to that folder, or make a new store with '
                'tools/proposals/generate.py'
            )
        for i, name in zip(picked, names, strict=True):
            if name not in missing:
                self._check_image(int(i))

    def _check_image(self, index: int) -> None:
        record = self.records[index]
        try:
            size = read_size(self.image_root / record.file_name)
        except UnreadableImageError as e:
            self._report(record.file_name, e)
        else:
            _check_size(record, size)

    def _log_fallbacks(self) -> None:
        *_, without = self.records.metadata['fallbacks']
        print_log(
            f'{len(self)} images with {self.records.metadata["boxes"]} '
            f'proposals; {without} images have none and are used as a whole',
            logger='current',
        )

    def __repr__(self) -> str:
        return (
            f'ProposalDataset({str(self.image_root)!r}, {self.records!r}, '
            f'{len(self)} images)'
        )


class _FolderRecords:
    """The images of a folder as records without proposals."""

    def __init__(self, root: Path) -> None:
        self._root = root
        # One block of memory that worker processes share; a list of Python
        # strings is copied to each of them as its reference counts change.
        self._names = pa.array(find_images(root).names, pa.string())

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
            'tools/proposals/generate.py'
        )
