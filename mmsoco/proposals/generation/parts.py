"""Finished parts of a store in the making, so that a kill costs little.

A job's images are cut into chunks. Each chunk becomes one small store,
``OUT.arrow.parts/part-000042.arrow``, under its final name only when it is
complete. Joining them in order gives the whole.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmsoco.proposals.generation.job import Job, differences, regions_path
from mmsoco.proposals.store import (
    ProposalStore,
    ProposalStoreWriter,
    StoreError,
)
from mmsoco.utils.files import write_json

_MANIFEST = 'manifest.json'


class Parts:
    """The folder of parts of one job.

    Args:
        job: What to make.
        chunk_size: Images per part; of a begun job the old size is kept.

    Raises:
        FileExistsError: If the parts there belong to another job.
    """

    def __init__(self, job: Job, chunk_size: int) -> None:
        self.job = job
        self.names = job.names
        self.folder = parts_folder(job.out_path)
        self.folder.mkdir(exist_ok=True)
        self.chunk_size = self._manifest(chunk_size)['chunk_size']

    def _manifest(self, chunk_size: int) -> dict[str, Any]:
        """Read and check the manifest, or begin one."""
        path = self.folder / _MANIFEST
        wanted = {
            **self.job.identity(),
            'keep_regions': self.job.keep_regions,
        }
        if not path.exists():
            manifest = {**wanted, 'chunk_size': chunk_size}
            write_json(path, manifest)
            return manifest
        manifest = json.loads(path.read_text(encoding='utf-8'))
        different = differences(manifest, wanted)
        if different:
            raise FileExistsError(
                f'{str(self.folder)!r} holds parts of another job: '
                + '; '.join(different)
                + '. Choose another name, or --overwrite to begin anew'
            )
        return manifest

    def __len__(self) -> int:
        return -(-len(self.names) // self.chunk_size)

    def path(self, number: int) -> Path:
        """Name a part."""
        return self.folder / f'part-{number:06d}.arrow'

    def chunk(self, number: int) -> list[str]:
        """Return the images of a part."""
        start = number * self.chunk_size
        return self.names[start : start + self.chunk_size]

    def missing(self) -> list[int]:
        """Number the parts that are not finished."""
        there = set(os.listdir(self.folder))
        return [n for n in range(len(self)) if self.path(n).name not in there]

    def unreadable(self) -> list[dict[str, str]]:
        """Gather the unreadable images of all parts, with reasons."""
        return [
            entry
            for number in range(len(self))
            for entry in self._open(self.path(number)).metadata['unreadable']
        ]

    def join(self) -> None:
        """Write the store, and the regions before it, and clean up."""
        identity = self.job.identity()
        unreadable = self.unreadable()
        paths = [self.path(n) for n in range(len(self))]
        if self.job.keep_regions:
            regions = {**identity, 'filter': None, 'kind': 'regions'}
            self._join(
                [regions_path(path) for path in paths],
                self.job.regions_path,
                {**regions, 'unreadable': unreadable},
            )
        proposals = {**identity, 'kind': 'proposals'}
        self._join(
            paths, self.job.out_path, {**proposals, 'unreadable': unreadable}
        )
        shutil.rmtree(self.folder)

    def _join(
        self, paths: list[Path], out: Path, metadata: dict[str, Any]
    ) -> None:
        with ProposalStoreWriter(out, metadata) as writer:
            for path in paths:
                writer.write(self._open(path))

    def _open(self, path: Path) -> ProposalStore:
        try:
            return ProposalStore(path)
        except (StoreError, FileNotFoundError) as e:
            raise StoreError(
                f'part {str(path)!r} is damaged; delete it and call again'
            ) from e


def parts_folder(out: Path) -> Path:
    """Name the folder of a store's parts."""
    return out.with_name(f'{out.name}.parts')


@contextmanager
def exclusive(out: Path) -> Iterator[None]:
    """Hold the only right to make a store; also clear what kills left.

    Raises:
        FileNotFoundError: If its folder is not there.
        BlockingIOError: If another process is making it.
    """
    if not out.parent.is_dir():
        raise FileNotFoundError(
            f'folder {str(out.parent)!r} does not exist; create it first'
        )
    lock = out.with_name(f'.{out.name}.lock')
    with open(lock, 'w') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BlockingIOError(
                f'another process is making {str(out)!r}; wait for it, or '
                'end it first'
            ) from None
        for path in (out, regions_path(out)):
            for left in path.parent.glob(f'.{_literal(path.name)}.*.tmp'):
                left.unlink()
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def _literal(name: str) -> str:
    """Escape a name for use in a glob pattern."""
    return ''.join(f'[{c}]' if c in '*?[' else c for c in name)
