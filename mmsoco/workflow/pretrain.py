"""From a folder of pictures to a pretrained detector: `mmsoco pretrain`.

Four steps, each noted in the run's manifest when it is done: proposals, a
look at them, the training in a separate process, the export with the report.
A call that was interrupted and is repeated continues where it stopped.
"""

import os
import shutil
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsoco.datasets.label_checks import check_labels
from mmsoco.datasets.labels import Labels, read_labels
from mmsoco.images.lists import ImageList, fingerprint
from mmsoco.images.opening import open_images
from mmsoco.proposals.filters import FilterSpec
from mmsoco.proposals.generation.generate import generate
from mmsoco.proposals.generation.job import Job
from mmsoco.proposals.generation.worker import warm_up
from mmsoco.proposals.records import ProposalRecord, changed_images
from mmsoco.proposals.store import ProposalStore
from mmsoco.utils.extras import require_extra
from mmsoco.utils.files import atomic_path, refuse_within
from mmsoco.utils.machine import available_cores
from mmsoco.utils.problems import Outcome
from mmsoco.workflow.console import Console, quiet_log
from mmsoco.workflow.filter_choice import (
    SAMPLE,
    FilterChoice,
    choose_filter,
    describe_filter,
    sample_regions,
)
from mmsoco.workflow.labels import boxes_by_picture
from mmsoco.workflow.run_folder import PRETRAINING, RunFolder
from mmsoco.workflow.settings import PretrainSettings, next_command

if TYPE_CHECKING:
    from mmsoco.workflow.training import Training

# Settings that the proposals depend on.
_OF_PROPOSALS = ('check', 'filters', 'proposals')
# The length of the training, the one setting that may change later.
LENGTH = ('epochs', 'time')
STEPS = ('proposals', 'look', 'pretrain', 'export')
# One batch of the smallest recipe. With fewer, batch norm sees too few samples
# and there are too few objects to contrast.
LEAST_PICTURES = 16
# Loading compiled kernels is quicker than this.
_SLOW_SECONDS = 5.0
# What pretraining is for; a rule of thumb of the field's practitioners.
MANY_PICTURES = 'several thousand'


@dataclass(frozen=True)
class PretrainedRun:
    """A finished pretraining.

    Attributes:
        out: Its folder.
        manifest: What was chosen, measured and done, see `RunFolder`.
        next_command: The command line that fine-tunes its detector.
    """

    out: Path
    manifest: Mapping[str, Any]
    next_command: str

    @property
    def detector(self) -> Path:
        """The weights: tensors under mmdet's names, and plain metadata."""
        return self.out / 'detector.pth'

    @property
    def report(self) -> Path:
        """The report, one HTML file."""
        return self.out / 'report.html'

    @property
    def proposals(self) -> Path:
        """The store of the proposals."""
        return self.out / 'proposals.arrow'

    @property
    def config(self) -> Path:
        """The whole config of the training."""
        return self.out / 'pretrain.py'

    @property
    def finetune_config(self) -> Path:
        """A complete config of a fine-tuning, for your own labels."""
        return self.out / 'finetune.py'


def pretrain(
    images: str | os.PathLike,
    out: str | os.PathLike,
    *,
    console: Console | None = None,
    **options: Any,
) -> PretrainedRun:
    """Pretrain a detector on a folder of pictures, without labels.

    If it is called again after an interruption, it continues; with another
    length (``epochs`` or ``time``) it continues to that length.

    Args:
        images: Folder of the pictures, searched recursively, or a tar file
            of them, see `mmsoco pack`.
        out: Folder of the run.
        console: What reports the progress; by default standard output.
        options: See `PretrainSettings`, such as ``check='train.json'``,
            ``init='coco.pth'``, ``epochs=20`` or ``time=7200``.

    Returns:
        The places of all that was made.

    Raises:
        FileNotFoundError: If the folder, or a file that was named, is not
            there.
        FileExistsError: If ``out`` holds a run of other pictures or with other
            settings than its length.
        ValueError: If there are too few pictures, none can be read, or an
            option does not fit; the message says what to do.
        OSError: If something could not be written; what was done before stays.
        ChildProcessError: If the training failed.
    """
    for name in ('check', 'proposals'):
        if options.get(name) is not None:
            options[name] = Path(options[name])
    init = options.get('init')
    if init is not None and os.path.exists(init):
        options['init'] = os.path.abspath(init)
    settings = PretrainSettings(Path(images), Path(out), **options)
    return _Pretraining(settings, console or Console(len(STEPS))).run()


class _Pretraining:
    """The steps of one call, in their order."""

    def __init__(self, settings: PretrainSettings, console: Console) -> None:
        require_extra('report')
        self.asked = settings
        self.console = console
        self.images = settings.images
        refuse_within(settings.out, settings.images)
        self.source = open_images(settings.images)
        self.found = self.source.find()
        self.names = self.found.names
        refuse_too_few(len(self.names), settings.images, self.found)
        self.folder = RunFolder(settings.out, PRETRAINING)

    def run(self) -> PretrainedRun:
        """Refuse what cannot be, then make the steps that are not done."""
        identity = dict(
            folder=os.path.abspath(self.images),
            pictures=len(self.names),
            sha256=fingerprint(self.names),
        )
        given = self.asked.given()
        # All that can be refused is, before anything is written.
        self._forget_untrained(given)
        length = {name: given[name] for name in LENGTH if name in given}
        bound = {name: given[name] for name in given if name not in LENGTH}
        self.folder.refuse_other(identity, bound)
        is_other_length = self._take_length(length)
        self.settings = self._begun_settings(given)
        if is_other_length:
            self.training.change_length()
        self._notice_changed_pictures()
        self._check_inputs()
        with self.folder.lock(), quiet_log():
            self.folder.begin(identity, given)
            self._propose()
            self._look()
            self._train()
            self._export()
        command = next_command(self.asked.out, self.images, self._next_labels)
        return PretrainedRun(self.asked.out, self.folder.manifest, command)

    @property
    def _next_labels(self) -> str | Path | None:
        """The labels to fine-tune with: the repaired ones, or as typed."""
        used = self.folder.manifest.get('labels', self.settings.check)
        typed = self.asked.check
        is_same = typed is not None and str(Path(typed).absolute()) == str(
            used
        )
        return typed if is_same else used

    def _forget_untrained(self, given: Mapping[str, Any]) -> None:
        """Let other settings replace those of a run that was never trained.

        A mistyped option would otherwise stay until the folder is removed.
        Neither does a call that made nothing, such as one on broken pictures,
        bind the next one: the pictures may have been repaired since.
        """
        manifest = self.folder.manifest
        trained = any(self.folder.checkpoints.glob('*.pth'))
        if not manifest or trained or 'pretrain' in manifest['steps']:
            return
        if not manifest['steps'] and 'filter' not in manifest:
            manifest.clear()
            return
        before = manifest['settings']
        if 'plan' in manifest:
            # Killed before its first checkpoint: what is not given stays.
            bound = {n: v for n, v in given.items() if n not in LENGTH}
            given = {**before, **bound}
        same = all(before.get(n) == given.get(n) for n in _OF_PROPOSALS)
        if before != given and same:
            manifest['settings'] = dict(given)
            for name in ('measured', 'plan'):
                manifest.pop(name, None)
            self.folder.forget('look')

    def _take_length(self, length: Mapping[str, Any]) -> bool:
        """Let a run that was begun be as long as this call asks for.

        Args:
            length: The options of the length that were given; without any
                the run keeps its length.

        Returns:
            Whether a training that was planned gets another length.
        """
        settings = self.folder.manifest.get('settings')
        if settings is None or not length:
            return False
        before = {name: settings.pop(name, None) for name in LENGTH}
        settings.update(length)
        is_other = any(before[name] != length.get(name) for name in LENGTH)
        return is_other and 'plan' in self.folder.manifest

    def _notice_changed_pictures(self) -> None:
        """Search again pictures that changed under their names.

        Raises:
            FileExistsError: If the training has begun: it would continue with
                other pictures than it began with.
        """
        if not self.folder.is_done('proposals', self.store_path):
            return
        store = ProposalStore(self.store_path)
        is_repacked = self._is_repacked(store)
        records: Iterable[ProposalRecord] = store
        if is_repacked:  # the places in the store do not hold any more
            records = (replace(record, extent=None) for record in store)
        changed = changed_images(records, self.source)
        if changed and 'plan' in self.folder.manifest:
            raise FileExistsError(
                f'{self.folder.path} holds a run of other pictures: '
                f'{len(changed)} of {len(store)} have changed since, such as '
                f'{changed[0]}. Choose another --out for the current '
                'pictures, or restore the old ones'
            )
        if changed:
            self.folder.manifest['steps'].clear()
        elif is_repacked:
            # The same pictures: only their places are looked up again.
            del self.folder.manifest['steps']['proposals']

    def _is_repacked(self, store: ProposalStore) -> bool:
        """Return whether the tar file of a store was written again."""
        identities = store.metadata.get('tar'), self.source.identity()
        return None not in identities and identities[0] != identities[1]

    def _begun_settings(self, given: dict[str, Any]) -> PretrainSettings:
        """Return the settings with which the run was, or will be, begun."""
        begun = dict(self.folder.manifest.get('settings', given))
        for name in ('check', 'proposals'):
            if name in begun:
                begun[name] = Path(begun[name])
        return PretrainSettings(
            images=self.images,
            out=self.asked.out,
            workers=self.asked.workers,
            **begun,
        )

    @cached_property
    def labels(self) -> Labels | None:
        """The labels of ``--check``."""
        if self.settings.check is None:
            return None
        labels = read_labels(self.settings.check, self.images, partial=True)
        check_labels(labels)
        return labels

    @cached_property
    def boxes(self) -> dict[str, np.ndarray]:
        """(n, 4) xyxy boxes of the labels by picture."""
        return boxes_by_picture(self.labels.document) if self.labels else {}

    @cached_property
    def training(self) -> 'Training':
        """The third step; it imports torch."""
        from mmsoco.workflow.training import Training

        return Training(self.folder, self.settings, self.console)

    @property
    def store_path(self) -> Path:
        """The store of the proposals."""
        return self.folder.path / 'proposals.arrow'

    @property
    def workers(self) -> int:
        """Processes that search proposals."""
        return self.settings.workers or available_cores()

    def _check_inputs(self) -> None:
        """Find what is wrong with the input before the long steps."""
        if self.folder.is_done('pretrain'):
            return
        if self.labels is not None and len(self.labels.problems):
            number = len(self.labels.document['images'])
            self.console.line(
                f'--check: {number} labeled pictures are used\n'
                f'{self.labels.problems}'
            )
        self.training.check()

    def _propose(self) -> None:
        start = time.monotonic()
        number = STEPS.index('proposals') + 1
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

    @property
    def choice(self) -> FilterChoice | None:
        """The choice of the filter, once it was made."""
        found = self.folder.manifest.get('filter')
        return None if found is None else FilterChoice.from_dict(found)

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
                self.workers,
                report=lambda text: self.console.detail('search', text),
                progress=lambda done: progress.update(
                    done - progress.done, f'{done} of {len(self.names)}'
                ),
            )

    def _choose_filter(self) -> FilterChoice:
        names = [n for n in self.names if n in self.boxes] or self.names
        number = min(SAMPLE, len(names))
        self._warm_up()
        with self.console.progress('sample', number) as progress:
            regions = sample_regions(
                self.images, names, on_picture=lambda: progress.update(1)
            )
        if not regions:
            raise ValueError(
                f'none of {number} pictures of {self.images} is readable, '
                f'such as {names[0]}; check the folder and the files'
            )
        return choose_filter(regions, self.boxes, self.settings.filters)

    def _warm_up(self) -> None:
        """Load the kernels of the search, and say so where it takes long."""
        notice = threading.Timer(
            _SLOW_SECONDS,
            self.console.detail,
            (
                'search',
                'its kernels are compiled, once per machine: half a minute',
            ),
        )
        notice.daemon = True
        notice.start()
        try:
            warm_up()
        finally:
            notice.cancel()

    def _take_proposals(self, path: Path) -> None:
        """Use a store that the user has."""
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
        with atomic_path(self.store_path) as partial:
            shutil.copyfile(path, partial)

    def _look(self) -> None:
        from mmsoco.workflow.look import draw_look

        start = time.monotonic()
        look = self.folder.path / 'look'
        pictures = [look / 'proposals.jpg', look / 'views.jpg']
        if not self.folder.is_done('look', *pictures):
            cfg = self.training.config()
            draw_look(self.store_path, self.images, cfg, look)
            self.folder.note('look', time.monotonic() - start)
        text = ', '.join([str(pictures[0]), pictures[1].name])
        self.console.step(STEPS.index('look') + 1, 'look', text)

    def _train(self) -> None:
        number = STEPS.index('pretrain') + 1
        if self.folder.is_done('pretrain'):
            seconds = self.folder.manifest['steps']['pretrain']['seconds']
            self.console.step(
                number, 'pretrain', f'done before, in {seconds:.0f} s'
            )
            return
        self.training.run(number)

    def _export(self) -> None:
        from mmsoco.workflow.finish import finish_pretraining

        start = time.monotonic()
        paths = [
            self.folder.path / name
            for name in ('detector.pth', 'finetune.py', 'report.html')
        ]
        if not self.folder.is_done('export', *paths):
            finish_pretraining(
                self.folder, self.settings, self.labels, self.console
            )
            self.folder.note('export', time.monotonic() - start)
        text = ', '.join([str(paths[0]), paths[2].name])
        self.console.step(STEPS.index('export') + 1, 'export', text)


def refuse_too_few(
    number: int, images: Path, found: ImageList | None = None
) -> None:
    """Raise ValueError if there are too few pictures to pretrain on.

    Args:
        number: How many there are.
        images: Their folder.
        found: What was left out of them, for the message.
    """
    if number >= LEAST_PICTURES:
        return
    message = (
        f'{number} pictures in {images} are too few to pretrain on: expected '
        f'at least {LEAST_PICTURES}, the size of a batch; from '
        f'{MANY_PICTURES} on, pretraining is worth the time. The pictures '
        'need no labels'
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
    unreadable = len(store.metadata.get('unreadable', []))
    left_out = [f'{unreadable} unreadable'] if unreadable else []
    left_out += [
        f'{problem.count} {problem}'
        for problem in found.problems.of(Outcome.LOST)
    ]
    if left_out:
        number = unreadable + found.problems.count(Outcome.LOST)
        text += f' ({number} left out: {", ".join(left_out)})'
    boxes = store.metadata['boxes'] / max(len(store), 1)
    text += f', {boxes:.0f} boxes each'
    if choice is not None and choice.chosen.recall is not None:
        text += f'; labels covered {choice.chosen.recall:.0%}'
        if choice.spec != FilterSpec():
            text += f' (the default filter: {choice.default.recall:.0%})'
    return text
