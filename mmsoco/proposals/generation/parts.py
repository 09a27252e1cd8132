"""Finished parts of a store in the making, so that a kill costs little.

The images that are left to do are cut into chunks. Each chunk becomes one
small store, ``OUT.arrow.parts/part-000042.arrow``, under its final name only
when it is complete. Their rows and those of an old store give the whole.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mmsoco.proposals.generation.finished import Finished, check_with_regions
from mmsoco.proposals.generation.job import Job, differences, regions_path
from mmsoco.proposals.generation.memory import MemoryLimit
from mmsoco.proposals.store import (
    ProposalStoreWriter,
    StoreError,
)
from mmsoco.utils.files import remove_partials, write_json
from mmsoco.utils.locks import FileLock

_MANIFEST = 'manifest.json'


class Parts:
    """The folder of parts of one job.

    Args:
        job: What to make.

    Raises:
        FileExistsError: If the parts there belong to another job.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.folder = parts_folder(job.out_path)
        self._other_root: str | None = None
        self._check_manifest()

    def _check_manifest(self) -> None:
        path = self.folder / _MANIFEST
        wanted = {**self.job.recipe(), 'keep_regions': self.job.keep_regions}
        if not path.exists():
            return
        try:
            manifest = json.loads(path.read_text(encoding='utf-8'))
            different = differences(manifest, wanted)
        except (ValueError, AttributeError) as error:
            different = [f'{str(path)!r} is damaged: {error}']
        if different:
            raise FileExistsError(
                f'{str(self.folder)!r} holds parts of another job: '
                + '; '.join(different)
                + '. Choose another name, or --overwrite to start over'
            )
        root = manifest.get('image_root')
        if root != self.job.images.address:
            self._other_root = root

    def begin(self) -> None:
        """Make the folder and describe the job of its parts in it.

        Raises:
            OSError: If it cannot be written.
        """
        self.folder.mkdir(exist_ok=True)
        path = self.folder / _MANIFEST
        if not path.exists():
            manifest = dict(
                image_root=self.job.images.address,
                keep_regions=self.job.keep_regions,
            )
            write_json(path, {**self.job.recipe(), **manifest})

    def paths(self) -> list[Path]:
        """Return the finished parts in the order in which they were begun."""
        return sorted(
            path
            for path in self.folder.glob('part-*.arrow')
            if not path.name.endswith('.regions.arrow')
        )

    def new_paths(self) -> Iterator[Path]:
        """Name parts that are not there yet, without end."""
        last = max((int(path.stem[5:]) for path in self.paths()), default=-1)
        while True:
            last += 1
            yield self.folder / f'part-{last:06d}.arrow'

    def gather(
        self, limit: MemoryLimit, report: Callable[[str], None]
    ) -> Finished:
        """Find the images that are done.

        Args:
            limit: Memory for one image.
            report: Called with a line on each damaged part, whose images are
                done again.

        Raises:
            StoreError: If the job's old store is damaged.
        """
        finished = Finished(self.job, limit)
        finished.other_root = self._other_root
        if self.job.out_path.exists():
            check_with_regions(self.job.out_path, self.job.keep_regions)
            finished.add(self.job.out_path)
        for path in self.paths():
            try:
                check_with_regions(path, self.job.keep_regions)
                finished.add(path)
            except StoreError as error:
                report(
                    f'a part is damaged; its images are done again: {error}'
                )
                path.unlink()
                regions_path(path).unlink(missing_ok=True)
        return finished

    def join(self, finished: Finished) -> None:
        """Write the store, and the regions before it, and clean up."""
        metadata = {
            **self.job.identity(),
            'unreadable': finished.unreadable_entries(),
            'remarks': finished.remark_entries(),
        }
        if self.job.keep_regions:
            regions = {**metadata, 'filter': None, 'kind': 'regions'}
            with ProposalStoreWriter(self.job.regions_path, regions) as writer:
                writer.write(finished.rows(regions_path))
        proposals = {**metadata, 'kind': 'proposals'}
        with ProposalStoreWriter(self.job.out_path, proposals) as writer:
            writer.write(finished.rows())
        remove_parts(self.job.out_path)


def parts_folder(out: Path) -> Path:
    """Name the folder of a store's parts."""
    return out.with_name(f'{out.name}.parts')


def remove_parts(out: Path) -> None:
    """Remove the parts of a store, if there are any."""
    if parts_folder(out).exists():
        shutil.rmtree(parts_folder(out))


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
    with FileLock(lock, out, 'making it'):
        for path in (out, regions_path(out)):
            remove_partials(path)
        yield
