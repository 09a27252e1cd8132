"""Pretraining in rounds: each on proposals that the last one has improved.

A round is a pretraining of its own, with its proposals, weights and report.
Its RPN proposes objects on the same pictures, and what is new among them is
added to the proposals for the next round, which starts from the beginning.
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

FOLDER = 'rounds'


def pretrain_in_rounds(
    images: str | os.PathLike,
    out: str | os.PathLike,
    rounds: int,
    *,
    console: Console | None = None,
    **options: Any,
) -> PretrainedRun:
    """Pretrain a detector and its RPN, several times over.

    Called again after an interruption, it goes on.

    Args:
        images: Folder of the pictures.
        out: Folder of the last round; the earlier ones lie in ``rounds/1``
            and so on below it.
        rounds: How many rounds, 2 or more.
        console: What tells of the progress.
        options: See `mmsoco.workflow.pretrain.pretrain`; they hold for every
            round. ``proposals`` are those of the first one.

    Returns:
        The last round.

    Raises:
        ValueError: There are fewer than 2 rounds; and see `pretrain`, whose
            errors are raised too.
    """
    if rounds < 2:
        raise ValueError(f'expected 2 rounds or more, got {rounds}')
    console = console or Console(len(STEPS))
    out = Path(out)
    options = dict(options, rpn=True)
    for number in range(1, rounds):
        console.line(f'round {number} of {rounds}')
        folder = out / FOLDER / str(number)
        folder.parent.mkdir(parents=True, exist_ok=True)
        run = pretrain(images, folder, console=console, **options)
        workers = options.get('workers') or available_cores()
        options['proposals'] = improve_proposals(run, images, workers)
    console.line(f'round {rounds} of {rounds}')
    return pretrain(images, out, console=console, **options)


def improve_proposals(
    run: PretrainedRun, images: str | os.PathLike, workers: int
) -> Path:
    """Add what the RPN of a round proposes to the round's own proposals.

    Args:
        run: The round.
        images: Folder of the pictures.
        workers: Processes.

    Returns:
        The store ``next.arrow`` in the round's folder.

    Raises:
        OSError: It could not be written; what was found before stays.
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
    generate(job, workers)
    joined = run.out / 'next.arrow'
    join_stores(run.proposals, job.out, joined)
    return joined
