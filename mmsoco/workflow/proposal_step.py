"""The first step of `mmsoco pretrain`: the proposals of the pictures.

The limits of their filter are chosen by the pictures or by labels; an existing
store is used unchanged.
"""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from mmsoco.images.lists import ImageList
from mmsoco.images.source import ImageSource
from mmsoco.proposals.filters import FilterSpec
from mmsoco.proposals.generation.generate import generate
from mmsoco.proposals.generation.job import Job
from mmsoco.proposals.generation.worker import warm_up
from mmsoco.proposals.records import ProposalRecord, changed_images
from mmsoco.proposals.store import ProposalStore
from mmsoco.utils.files import atomic_path
from mmsoco.utils.machine import available_cores
from mmsoco.utils.problems import Outcome, Problems
from mmsoco.workflow.console import Console
from mmsoco.workflow.filter_choice import (
    SAMPLE,
    FilterChoice,
    choose_filter,
    describe_filter,
    sample_regions,
)
from mmsoco.workflow.run_folder import RunFolder
from mmsoco.workflow.settings import PretrainSettings

# One batch of the smallest recipe. With fewer, batch norm sees too few samples
# and there are too few objects to contrast.
LEAST_PICTURES = 16
# A rule of thumb among practitioners for when pretraining is worthwhile.
MANY_PICTURES = 'several thousand'
# Loading compiled kernels is quicker than this.
_SLOW_SECONDS = 5.0


class ProposalStep:
    """Make the store of a run's proposals, or use an existing one.

    Args:
        folder: The run.
        settings: The settings with which it was begun.
        source: The pictures.
        found: Their names, and what was left out.
        read_boxes: Returns the (n, 4) xyxy boxes of the labels by picture;
            it is called only if a filter is to be chosen.
        console: What reports the progress.
    """

    def __init__(
        self,
        folder: RunFolder,
        settings: PretrainSettings,
        source: ImageSource,
        found: ImageList,
        read_boxes: Callable[[], dict[str, np.ndarray]],
        console: Console,
    ) -> None:
        self.folder = folder
        self.settings = settings
        self.images = settings.images
        self.source = source
        self.found = found
        self.names = found.names
        self.read_boxes = read_boxes
        self.console = console

    @property
    def store_path(self) -> Path:
        """The store of the proposals."""
        return self.folder.path / 'proposals.arrow'

    @property
    def choice(self) -> FilterChoice | None:
        """The choice of the filter, once it was made."""
        found = self.folder.manifest.get('filter')
        with self.folder.reads('filter'):
            return None if found is None else FilterChoice.from_dict(found)

    def notice_changed_pictures(self) -> None:
        """Search again pictures that changed under their names.

        Pictures that were moved or packed are looked up in their new place.

        Raises:
            FileExistsError: If the training has begun, which would continue
                with other pictures than it began with; or if pictures of the
                same names are in another folder.
        """
        if not self.folder.is_done('proposals', self.store_path):
            return
        store = ProposalStore(self.store_path)
        is_repacked = self._is_repacked(store)
        is_moved = self._is_moved()
        records: Iterable[ProposalRecord] = store
        if is_repacked:  # the positions in the store are no longer valid
            records = (replace(record, extent=None) for record in store)
        changed = changed_images(records, self.source)
        if changed and ('plan' in self.folder.manifest or is_moved):
            raise FileExistsError(
                f'{self.folder.path} holds a run of other pictures: '
                f'{len(changed)} of {len(store)} have changed since, such as '
                f'{changed[0]} in {self.images}. Choose another --out for the '
                'current pictures, or restore the old ones'
            )
        if changed:
            self.folder.manifest['steps'].clear()
        elif is_repacked or is_moved:
            # The pictures are the same; only their positions are updated.
            del self.folder.manifest['steps']['proposals']

    def _is_moved(self) -> bool:
        """Return whether the pictures were in another folder."""
        before = self.folder.manifest['images'].get('folder')
        return before != os.path.abspath(self.images)

    def _is_repacked(self, store: ProposalStore) -> bool:
        """Return whether the tar file of a store was written again."""
        identities = store.metadata.get('tar'), self.source.identity()
        return None not in identities and identities[0] != identities[1]

    def run(self, number: int) -> None:
        """Make missing proposals, and report.

        Args:
            number: Number of the step, from 1.
        """
        start = time.monotonic()
        if not self.folder.is_done('proposals', self.store_path):
            if self.settings.proposals is not None:
                self._take_proposals(self.settings.proposals)
            else:
                self._make_proposals()
            self.folder.note('proposals', time.monotonic() - start)
        store = ProposalStore(self.store_path)
        refuse_too_few(len(store), self.images)
        choice = self.choice
        text = describe_proposals(store, choice, self.found)
        self.console.step(number, 'proposals', text)
        if choice is not None:
            self.console.detail(
                'filter', f'{describe_filter(choice.spec)} ({choice.reason})'
            )
            warning = choice.warning()
            if warning:
                self.console.detail('note', warning)

    def _make_proposals(self) -> None:
        choice = self.choice
        if choice is None:
            choice = self._choose_filter()
            self.folder.save(filter=choice.as_dict())
        job = Job(
            image_root=str(self.images),
            all_names=self.names,
            out=str(self.store_path),
            filters=choice.spec,
        )
        with self.console.progress('search', len(self.names)) as progress:
            generate(
                job,
                self.settings.workers or available_cores(),
                report=lambda text: self.console.detail('search', text),
                progress=progress.reach,
            )

    def _choose_filter(self) -> FilterChoice:
        boxes = self.read_boxes()
        names = [n for n in self.names if n in boxes] or self.names
        number = min(SAMPLE, len(names))
        self._warm_up()
        with self.console.progress('sample', number) as progress:
            regions = sample_regions(
                self.images,
                names,
                on_picture=lambda: progress.update(1),
                report=lambda text: self.console.detail('sample', text),
            )
        if not regions:
            raise ValueError(
                f'none of {number} pictures of {self.images} is readable, '
                f'such as {names[0]}; check the folder and the files'
            )
        return choose_filter(regions, boxes, self.settings.filters)

    def _warm_up(self) -> None:
        """Load the kernels of the search, and say so if that takes long."""
        notice = threading.Timer(
            _SLOW_SECONDS,
            self.console.detail,
            (
                'search',
                'loads its kernels; the first call on a machine compiles '
                'them, in half a minute',
            ),
        )
        notice.daemon = True
        notice.start()
        try:
            warm_up()
        finally:
            notice.cancel()

    def _take_proposals(self, path: Path) -> None:
        """Use the user's store."""
        store = ProposalStore(path)
        if store.metadata.get('kind') == 'regions':
            raise ValueError(
                f'--proposals {path} holds all regions, not the proposals '
                'chosen from them; choose them with `mmsoco convert regions`'
            )
        known = set(self.names)
        missing = [r.file_name for r in store if r.file_name not in known]
        if missing:
            raise ValueError(
                f'--proposals {path} is of other pictures: {len(missing)} of '
                f'its {len(store)} names are not in {self.images}, such as '
                f'{missing[0]}'
            )
        changed = changed_images(store, self.source)
        if changed:
            raise ValueError(
                f'--proposals {path} is of other pictures: {len(changed)} of '
                f'{len(store)} have other contents in {self.images}, such as '
                f'{changed[0]}; `mmsoco propose` with the same --out searches '
                'those again'
            )
        if len(store) < LEAST_PICTURES:
            raise ValueError(
                f'--proposals {path} has {len(store)} pictures, expected at '
                f'least {LEAST_PICTURES}, the size of a batch'
            )
        if len(store) < len(self.names):
            self.console.detail(
                'note',
                f'{path} has {len(store)} of the {len(self.names)} pictures; '
                'the others are not used',
            )
        with atomic_path(self.store_path) as partial:
            shutil.copyfile(path, partial)


def refuse_too_few(
    number: int, images: Path, found: ImageList | None = None
) -> None:
    """Raise ValueError if there are too few pictures to pretrain on.

    Args:
        number: How many there are.
        images: Their folder.
        found: The files that were left out, for the message.
    """
    if number >= LEAST_PICTURES:
        return
    message = (
        f'{number} pictures in {images} are too few to pretrain on: expected '
        f'at least {LEAST_PICTURES}, the size of a batch, and better '
        f'{MANY_PICTURES}. The pictures need no labels'
    )
    if found is not None and len(found.problems):
        message += f'\n{found.problems}'
    raise ValueError(message)


def describe_proposals(
    store: ProposalStore, choice: FilterChoice | None, found: ImageList
) -> str:
    """Describe a run's proposals in a line.

    Args:
        store: The proposals.
        choice: The choice of their filter, if one was made.
        found: The pictures, and what was left out of them.
    """
    text = f'{len(store):,} pictures'
    problems = Problems()
    for entry in store.metadata.get('unreadable', []):
        where = f'{entry["file_name"]}: {entry["reason"]}'
        problems.add(Outcome.LOST, 'unreadable', where)
    problems.extend(found.problems)
    left_out = problems.of(Outcome.LOST)
    if left_out:
        kinds = ', '.join(f'{kind.count} {kind}' for kind in left_out)
        text += f' ({problems.count(Outcome.LOST)} left out: {kinds})'
    boxes = store.metadata['boxes'] / max(len(store), 1)
    text += f', {boxes:.0f} boxes each'
    if choice is not None and choice.chosen.recall is not None:
        text += f'; labels covered {choice.chosen.recall:.0%}'
        if choice.spec != FilterSpec():
            text += f' (the default filter: {choice.default.recall:.0%})'
    return text
