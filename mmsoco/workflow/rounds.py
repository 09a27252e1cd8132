"""Pretrain in rounds, each with proposals improved by the previous one.

A round is a separate pretraining, with its proposals, weights and report. Its
RPN proposes objects on the same pictures, and new ones are added to the
proposals for the next round, which starts from the beginning.
"""

import os
from pathlib import Path
from typing import Any

from mmsoco.models.rpn_finder import RPNFinder
from mmsoco.proposals.filters import FilterSpec
from mmsoco.proposals.generation.generate import generate
from mmsoco.proposals.generation.job import Job
from mmsoco.proposals.rework import join_stores
from mmsoco.proposals.store import ProposalStore
from mmsoco.utils.machine import available_cores
from mmsoco.workflow.console import Console
from mmsoco.workflow.pretrain import STEPS, PretrainedRun, pretrain
from mmsoco.workflow.recall import compare_with_random
from mmsoco.workflow.run_folder import PRETRAINING, ROUNDS, RunFolder
from mmsoco.workflow.settings import plain

# The store in a round's folder for the next round.
NEXT = 'next.arrow'


def pretrain_in_rounds(
    images: str | os.PathLike,
    out: str | os.PathLike,
    rounds: int,
    *,
    console: Console | None = None,
    **options: Any,
) -> PretrainedRun:
    """Pretrain a detector and its RPN, several times over.

    If it is called again after an interruption, it continues.

    Args:
        images: Folder of the pictures.
        out: Folder of the last round; the earlier ones are in ``rounds/1``
            and so on below it.
        rounds: How many rounds, 2 or more.
        console: Reports the progress.
        options: See `mmsoco.workflow.pretrain.pretrain`; they apply to every
            round. ``proposals`` are those of the first one.

    Returns:
        The last round.

    Raises:
        FileExistsError: If ``out`` holds something other than these rounds.
        ValueError: If there are fewer than 2 rounds, or ``rpn`` is False;
            and see `pretrain`, whose errors are raised too.
    """
    if rounds < 2:
        raise ValueError(f'expected 2 rounds or more, got {rounds}')
    if options.get('rpn') is False:
        raise ValueError(
            f'--no-rpn contradicts --rounds {rounds}: the RPN of one round '
            'finds the boxes that the next one adds; leave one of the two out'
        )
    console = console or Console(len(STEPS))
    out = Path(out)
    _refuse_other_run(out, rounds)
    options = dict(options, rpn=True)
    for number in range(1, rounds):
        console.line(f'round {number} of {rounds}')
        folder = _folder(out, number)
        run = pretrain(images, folder, console=console, **options)
        workers = options.get('workers') or available_cores()
        options['proposals'] = improve_proposals(run, images, workers, console)
        if options.get('check'):
            found = compare_with_random(
                options['proposals'], options['check'], images
            )
            console.detail('recall', describe_recall(*found))
    console.line(f'round {rounds} of {rounds}')
    return pretrain(images, out, console=console, **options)


def _folder(out: Path, number: int) -> Path:
    """Return the folder of a round before the last."""
    return out / ROUNDS / str(number)


def _refuse_other_run(out: Path, rounds: int) -> None:
    """Refuse a folder that the last round could not use, before any round.

    Raises:
        FileExistsError: If the folder holds files that are not a run's, a run
            without rounds, or one with another number of rounds.
    """
    manifest = RunFolder(out, PRETRAINING).manifest
    store = plain(_folder(out, rounds - 1) / NEXT)
    if manifest and manifest['settings'].get('proposals') != store:
        raise FileExistsError(
            f'{out} holds a run that is not the last of {rounds} rounds: '
            f'expected one on the proposals {store}; choose another --out, '
            'or call it with the number of rounds that it was begun with'
        )


def describe_recall(own: float, random: float) -> str:
    """Say whether proposals find labeled objects better than random boxes."""
    text = (
        f'the proposals of the next round find {own:.0%} of the labeled '
        f'objects, as many random boxes {random:.0%}'
    )
    if own > random:
        return text
    return f'{text}: the RPN is not trained well enough for another round'


def improve_proposals(
    run: PretrainedRun,
    images: str | os.PathLike,
    workers: int,
    console: Console,
) -> Path:
    """Add the proposals of a round's RPN to the round's own proposals.

    Args:
        run: The round.
        images: Folder of the pictures.
        workers: Processes.
        console: Shows the progress.

    Returns:
        The store `NEXT` in the round's folder.

    Raises:
        OSError: If it could not be written; finished parts are kept.
    """
    store = ProposalStore(run.proposals)
    limits = store.metadata.get('filter') or {}
    job = Job(
        image_root=str(images),
        all_names=[store.file_name(row) for row in range(len(store))],
        out=str(run.out / 'detector.arrow'),
        search=RPNFinder(str(run.detector)),
        filters=FilterSpec(**limits),
    )
    total = len(store)
    with console.progress('propose', total) as progress:
        generate(
            job,
            workers,
            report=lambda text: console.detail('propose', text),
            progress=progress.reach,
        )
    joined = run.out / NEXT
    join_stores(run.proposals, job.out, joined)
    before, after = (
        ProposalStore(path).metadata['boxes'] / total
        for path in (run.proposals, joined)
    )
    console.detail(
        'propose',
        f'{before:.0f} boxes for each picture, {after:.0f} with those that '
        'the RPN adds',
    )
    return joined
