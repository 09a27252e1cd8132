"""What one call of the generator is to make, and how it is identified."""

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mmsoco.images.lists import fingerprint
from mmsoco.images.opening import open_images
from mmsoco.images.source import ImageSource
from mmsoco.proposals.filters import FilterSpec
from mmsoco.proposals.generation.memory import MemoryLimit, share_of_machine
from mmsoco.proposals.search.spec import SearchSpec
from mmsoco.proposals.store import ProposalStore
from mmsoco.utils.shards import take_shard


class Finder(Protocol):
    """A replacement of selective search.

    It travels to the worker processes, so it must be picklable.
    """

    def as_dict(self) -> dict[str, Any]:
        """Return the parameters of the regions, for a store's metadata."""

    def prepare(self) -> None:
        """Load slow modules before processes are forked."""

    def find(self, rgb: np.ndarray) -> np.ndarray:
        """Find the regions of an (H, W, 3) uint8 image: (N, 4) xyxy."""


@dataclass(frozen=True)
class Job:
    """The proposals of one list of images.

    Attributes:
        image_root: The image folder, tar file or address; see `open_images`.
        all_names: All images relative to it, sorted.
        out: The store to make.
        search: Parameters of selective search, or its replacement.
        filters: Limits on proposals.
        keep_regions: Whether to keep all regions too, for other filters.
        shard: (i, n): work on the i-th of n runs of ``all_names``.
        memory_mib: Memory that a worker may take for one image, MiB; by
            default the workers share that of the machine.
        shrink: Whether images that would take more are searched at a smaller
            size; if not, they are left out.
        backend_args: Of the storage backend that holds the images.
    """

    image_root: str
    all_names: list[str] = field(repr=False)
    out: str
    search: SearchSpec | Finder = SearchSpec()
    filters: FilterSpec = FilterSpec()
    keep_regions: bool = False
    shard: tuple[int, int] = (0, 1)
    memory_mib: float | None = None
    shrink: bool = False
    backend_args: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        """Check early for failures that would come after hours.

        Raises:
            ValueError: If a path is empty, there are no images, or the
                memory is not positive.
        """
        for name in ('image_root', 'out'):
            if not str(getattr(self, name)).strip():
                raise ValueError(f'{name} must not be empty')
        if not self.all_names:
            raise ValueError(f'no images of {self.image_root!r} to work on')
        if self.memory_mib is not None:
            MemoryLimit(self.memory_mib)

    @cached_property
    def images(self) -> ImageSource:
        """Where the images are."""
        return open_images(self.image_root, self.backend_args)

    @cached_property
    def _fingerprint(self) -> str:
        return fingerprint(self.all_names)

    @property
    def names(self) -> list[str]:
        """The images of this shard."""
        return take_shard(self.all_names, self.shard)

    @property
    def out_path(self) -> Path:
        """The store to make."""
        return Path(self.out)

    @property
    def regions_path(self) -> Path:
        """The store of all regions next to it."""
        return regions_path(self.out_path)

    def recipe(self) -> dict[str, Any]:
        """Describe the parameters of the proposals of one image.

        The place of the images is not part of it: they may be moved.
        """
        recipe = {
            'shard': list(self.shard),
            'search': self.search.as_dict(),
            'filter': self.filters.as_dict(),
        }
        if self.backend_args:
            recipe['backend_args'] = self.backend_args
        return recipe

    def identity(self) -> dict[str, Any]:
        """Describe the whole store, as its metadata records it.

        The images themselves are identified by the stamps of its rows.
        """
        image_list = {
            'count': len(self.all_names),
            'sha256': self._fingerprint,
        }
        identity = {
            'image_root': self.images.address,
            **self.recipe(),
            'image_list': image_list,
        }
        if tar := self.images.identity():
            identity['tar'] = tar
        return identity

    def memory_limit(self, workers: int) -> MemoryLimit:
        """Return the memory that each worker may take for one image."""
        if self.memory_mib is None:
            return share_of_machine(workers, self.shrink)
        return MemoryLimit(self.memory_mib, self.shrink)


def regions_path(out: str | os.PathLike) -> Path:
    """Name the regions of a store: ``a.arrow`` -> ``a.regions.arrow``."""
    out = Path(out)
    return out.with_name(f'{out.stem}.regions{out.suffix}')


def differences(found: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """List in words where metadata departs from a job's identity."""
    return [
        f'{key} is {found.get(key)}, wanted {value}'
        for key, value in wanted.items()
        if found.get(key) != value
    ]


def refuse_other_job(job: Job) -> None:
    """Raise unless a store of that name, if there is one, is of this job.

    Raises:
        FileExistsError: If a store of something else has its name.
        StoreError: If a file there is not a store.
    """
    if not job.out_path.exists():
        return
    found = ProposalStore(job.out_path).metadata
    different = differences(found, job.recipe())
    if job.keep_regions and not job.regions_path.exists():
        different.append(f'{str(job.regions_path)!r} is missing')
    if different:
        raise FileExistsError(
            f'{str(job.out_path)!r} exists, but '
            + '; '.join(different)
            + '. Choose another name, or --overwrite'
        )
