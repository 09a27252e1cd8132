"""Prepare the data of a plan's cells: scenes, subsets, proposals."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mmsoco.datasets.coco_document import read_document
from mmsoco.images.lists import find_images
from mmsoco.images.reading import read_size
from mmsoco.models.rpn_finder import RPNFinder
from mmsoco.proposals.filters import Fallback, FilterSpec
from mmsoco.proposals.generation.generate import generate
from mmsoco.proposals.generation.job import Job
from mmsoco.proposals.records import ProposalRecord
from mmsoco.proposals.rework import join_stores
from mmsoco.proposals.search.selective_search import SearchSpec
from mmsoco.proposals.store import ProposalStore, ProposalStoreWriter
from mmsoco.utils.files import sha256, write_json
from mmsoco.workflow import steps
from mmsoco.workflow.console import Console
from mmsoco.workflow.labels import boxes_by_picture

from . import pictures
from .plan import Plan
from .plan_parts import PRETRAINED, Start
from .subsets import draw_subset, labelled_ids

SCENES_DONE = 'scenes.json'
# Seconds between checks whether another shard has made the proposals.
WAIT_SECONDS = 10.0


@dataclass(frozen=True)
class Materials:
    """What the cells are made from.

    Attributes:
        classes: Names of the classes, in the order of the labels.
        subsets: Annotations by number of labels and seed.
        pictures: Number of pictures for pretraining.
        hashes: SHA-256 by name of the part of the data.
        notes: Sentences for the report.
    """

    classes: tuple[str, ...]
    subsets: dict[tuple[int, int], Path]
    pictures: int
    hashes: dict[str, str]
    notes: tuple[str, ...]

    def subset_hash(self, labels: int, seed: int) -> str:
        """Return the SHA-256 of a subset's annotations."""
        return self.hashes[subset_key(labels, seed)]


def subset_key(labels: int, seed: int) -> str:
    """Return the name of a subset among the hashes."""
    return f'subset_{labels}_seed{seed}'


def prepare(plan: Plan, out: Path) -> Materials:
    """Check the data of a plan and draw its label subsets.

    Args:
        plan: The plan.
        out: Folder for the results.

    Returns:
        The materials.

    Raises:
        FileNotFoundError: If pictures or labels do not exist.
        ValueError: If labels have no objects, a budget is larger than the
            labels, classes disagree, or validation pictures would be
            pretrained on.
    """
    data = plan.data
    document = _read_labels(data.path('labels'))
    validation = _read_labels(data.path('val_labels'))
    classes = _common_classes(plan, document, validation)
    images = pictures.labelled_paths(data.path('images'), document)
    val_paths = pictures.labelled_paths(data.path('val_images'), validation)
    folder = data.path('pictures')
    paths = pictures.picture_paths(folder)
    hashes = dict(
        labels=sha256(data.path('labels')),
        val_labels=sha256(data.path('val_labels')),
        pictures=pictures.fingerprint(folder, paths),
        images=pictures.fingerprint(data.path('images'), images),
        val_images=pictures.fingerprint(data.path('val_images'), val_paths),
    )
    notes = _check_separate(plan, paths, val_paths)
    subsets = {}
    for labels, seed in _wanted_subsets(plan):
        try:
            subset = draw_subset(document, labels, seed)
        except ValueError as error:
            where = f'{plan.file}, {data.path("labels")}'
            raise ValueError(f'{where}: {error}') from error
        path = out / 'subsets' / f'{labels}_seed{seed}.json'
        write_json(path, subset.document)
        subsets[labels, seed] = path
        hashes[subset_key(labels, seed)] = sha256(path)
        if subset.draws > 1:
            notes.append(
                f'The subset of {labels} labels with seed {seed} was drawn '
                f'{subset.draws} times until every class was in it.'
            )
    return Materials(classes, subsets, len(paths), hashes, tuple(notes))


def make_proposals(plan: Plan, start: Start, out: Path, workers: int) -> Path:
    """Make the proposals of the pictures for pretraining, once.

    Args:
        plan: The plan.
        start: The start that they are for; all starts without limits of
            their own share a store.
        out: Folder of the store.
        workers: Processes.

    Returns:
        The store.
    """
    own = '' if start.filters is None else f'_{start.name}'
    store = out / f'proposals{own}.arrow'
    images = plan.data.path('pictures')
    job = Job(
        image_root=str(images),
        all_names=find_images(images).names,
        out=str(store),
        search=SearchSpec(),
        filters=FilterSpec(**plan.filters_of(start)),
    )
    while True:
        try:
            _make_store(job, workers)
            return store
        except BlockingIOError:
            print('      another process is making the proposals', flush=True)
            time.sleep(WAIT_SECONDS)


def label_proposals(plan: Plan, out: Path) -> Path:
    """Make a store of the labels' own boxes, rounded to pixels.

    Args:
        plan: The plan, whose labels and pictures are in one folder.
        out: Folder of the store.

    Returns:
        The store; pictures without labels have no boxes.

    Raises:
        ValueError: If labels and pictures for pretraining are in two folders.
    """
    data = plan.data
    images = data.path('pictures')
    if data.path('images') != images:
        raise ValueError(
            f"{plan.file}: proposals='labels' needs the pictures for "
            f'pretraining and the labeled ones in one folder, got {images} '
            f'and {data.path("images")}'
        )
    boxes = boxes_by_picture(_read_labels(data.path('labels')))
    store = out / 'labels.arrow'
    with ProposalStoreWriter(store, dict(image_root=str(images))) as writer:
        for name in find_images(images).names:
            height, width = read_size(images / name)
            own = np.rint(boxes.get(name, np.empty((0, 4))))
            own = own.clip(0, [width, height] * 2)
            own = own[(own[:, 2:] > own[:, :2]).all(axis=1)]
            fallback = Fallback.FILTERED if len(own) else Fallback.NONE
            record = ProposalRecord(name, height, width, own, fallback)
            writer.write([record])
    return store


def proposals_of_next_round(
    plan: Plan,
    start: Start,
    before: Path,
    detector: Path,
    folder: Path,
    workers: int,
) -> Path:
    """Add the boxes of a pretrained RPN to proposals.

    Args:
        plan: The plan.
        start: The start that they are for.
        before: The proposals that the RPN was pretrained on.
        detector: Its weights.
        folder: Folder of the stores.
        workers: Processes.

    Returns:
        The store of both.
    """
    images = plan.data.path('pictures')
    job = Job(
        image_root=str(images),
        all_names=[record.file_name for record in ProposalStore(before)],
        out=str(folder / 'detector.arrow'),
        search=RPNFinder(str(detector)),
        filters=FilterSpec(**plan.filters_of(start)),
    )
    _make_store(job, workers)
    return join_stores(before, job.out, folder / 'proposals.arrow').path


def _make_store(job: Job, workers: int) -> None:
    """Make a store, with a progress bar."""
    console = Console()
    with console.progress('proposals', len(job.names)) as progress:
        generate(job, workers, report=console.line, progress=progress.reach)


def with_scenes(plan: Plan, out: Path, environment: dict[str, str]) -> Plan:
    """Draw the scenes of a plan whose data are scenes.

    Returns:
        The plan with the folder of the scenes, which is in ``out``; an
        unchanged plan if its data are pictures.
    """
    if plan.data.scenes is None:
        return plan
    root = out / 'scenes'
    options = [
        word
        for name, value in plan.data.scenes.items()
        for word in (f'--{name}', str(value))
    ]
    command = (
        'python', '-m', 'mmsoco.demo.make_scenes', str(root), '--overwrite',
        *options,
    )  # fmt: skip
    done = (root / SCENES_DONE,)
    step = steps.Step('scenes', 'Draw labeled scenes', command, done)
    steps.Job(out / 'preparation', [step], environment).run()
    return replace(plan, data=replace(plan.data, root=str(root)))


def _read_labels(path: Path) -> dict:
    document = read_document(path)
    if not labelled_ids(document):
        raise ValueError(
            f'{path} has no objects: expected labels to learn from and to '
            'judge on'
        )
    return document


def _common_classes(
    plan: Plan, document: dict, validation: dict
) -> tuple[str, ...]:
    """Return the classes of both annotations, which must be the same."""
    train, val = (
        {c['id']: c['name'] for c in d['categories']}
        for d in (document, validation)
    )
    if train != val:
        raise ValueError(
            f'the classes of {plan.data.path("labels")} and '
            f'{plan.data.path("val_labels")} differ: {train} and {val}'
        )
    return tuple(train[i] for i in sorted(train))


def _check_separate(
    plan: Plan, pretraining: list[Path], validation: list[Path]
) -> list[str]:
    if not plan.data.val_in_pretraining:
        pictures.check_separate(pretraining, validation)
        return []
    shared = pictures.same_pictures(pretraining, validation)
    if not shared:
        return []
    return [
        f'{len(shared)} of {len(validation)} validation pictures were also '
        'seen in pretraining, without their labels.'
    ]


def _wanted_subsets(plan: Plan) -> Iterable[tuple[int, int]]:
    return [
        (budget.labels, seed)
        for budget in plan.budgets
        for seed in budget.seeds
    ]


def describe(materials: Materials, plan: Plan) -> str:
    """Describe the prepared data in lines of text."""
    budgets = ', '.join(str(budget.labels) for budget in plan.budgets)
    line = f'classes {", ".join(materials.classes)}, label budgets {budgets}'
    if any(start.kind in PRETRAINED for start in plan.starts):
        line = f'{materials.pictures} pictures for pretraining, {line}'
    return '\n'.join([line, *materials.notes])
