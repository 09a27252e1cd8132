"""Test whether pretraining helps with a user's own labels.

The reference (scratch, or weights that the user has) and the pretrained
detector are fine-tuned on the same subsets of the labels. `harness` runs the
comparison; this module makes its plan, and chooses the length of the
fine-tunings from a short trial.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from mmengine.config import Config, ConfigDict

from mmsoco.datasets.coco_document import read_document
from mmsoco.workflow.settings import describe_time

from .harness import Comparison
from .plan import Budget, Data, Finetuning, Plan, Start
from .recipes import write_config
from .records import Record, read_json
from .subsets import labelled_ids

DETECTOR, CONFIG, MANIFEST = 'detector.pth', 'finetune.py', 'manifest.json'
# Steps of the trial, and the least and the usual length of a fine-tuning.
TRIAL_STEPS = 8
LEAST_STEPS = 200
DEFAULT_STEPS = 1500
# Shares of the labels that are used if no budgets are given.
_SHARES = (0.25, 1.0)


@dataclass(frozen=True)
class Question:
    """What a user asks.

    Attributes:
        run: Folder of a pretraining: ``detector.pth``, ``finetune.py``.
        train: COCO annotations to learn from.
        train_images: Folder of their pictures.
        val: COCO annotations to judge on.
        val_images: Folder of their pictures.
        labels: Label budgets; if empty, a quarter of the labels, and all of
            them.
        seeds: Number of repetitions.
        seconds: Time for everything; None for the usual length.
        init: Weights to compare with; None for random weights.
        out: Folder for the results.
        command: The command as typed.
    """

    run: Path
    train: Path
    train_images: Path
    val: Path
    val_images: Path
    labels: tuple[int, ...]
    seeds: int
    seconds: float | None
    init: Path | None
    out: Path
    command: tuple[str, ...]


def plan_of(question: Question) -> Plan:
    """Make the plan that answers a question.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a budget is larger than the labels.
    """
    for name in (DETECTOR, CONFIG):
        if not (question.run / name).is_file():
            raise FileNotFoundError(
                f'{question.run} has no {name}: expected the folder that '
                '`mmsoco pretrain` made'
            )
    if question.init is not None and not question.init.is_file():
        raise FileNotFoundError(f'--init: {question.init} does not exist')
    budgets = _budgets(question)
    question.out.mkdir(parents=True, exist_ok=True)
    detector = (question.out / 'detector_config.py').absolute()
    cfg = Config.fromfile(question.run / CONFIG)
    # The cells load these parts from a file themselves, and check them.
    parts = cfg.default_hooks.get('load_report', {}).pop('parts', None)
    write_config(by_iterations(cfg), detector)
    pictures, notes = pretraining_pictures(question)
    return Plan(
        name='pilot',
        title='Does the pretrained detector help with your labels?',
        data=Data(
            root='.',
            labels=str(question.train),
            images=str(question.train_images),
            val_labels=str(question.val),
            val_images=str(question.val_images),
            pictures=str(pictures),
            val_in_pretraining=True,
        ),
        detector=str(detector),
        starts=(
            reference(question),
            Start(
                'pretrained',
                'weights',
                title='pretrained with SoCo',
                checkpoint=str(question.run / DETECTOR),
                parts=parts and tuple(parts),
            ),
        ),
        budgets=budgets,
        finetuning=Finetuning(steps=DEFAULT_STEPS),
        notes=' '.join(notes),
        file=question.out / 'pilot.py',
    )


def _budgets(question: Question) -> tuple[Budget, ...]:
    """Return the label budgets asked for, or shares of the labels."""
    number = len(labelled_ids(read_document(question.train)))
    too_many = [n for n in question.labels if n > number]
    if too_many:
        raise ValueError(
            f'--labels {" ".join(map(str, too_many))}: {question.train} has '
            f'only {number} pictures with objects'
        )
    usual = {max(1, round(number * share)) for share in _SHARES}
    seeds = tuple(range(question.seeds))
    return tuple(
        Budget(labels, seeds)
        for labels in sorted(set(question.labels) or usual)
    )


def reference(question: Question) -> Start:
    """Return the start that the pretrained detector is compared with."""
    if question.init is None:
        return Start('scratch', 'scratch', title='from scratch')
    return Start(
        'init',
        'weights',
        title=f'from {question.init.name}',
        checkpoint=str(question.init),
    )


def pretraining_pictures(question: Question) -> tuple[Path, list[str]]:
    """Return the folder that was pretrained on, and sentences to report."""
    notes = [
        'There is only one pretraining, so the intervals do not include how '
        'much another one would differ.'
    ]
    manifest = question.run / MANIFEST
    if manifest.is_file():
        folder = read_json(manifest).get('images', {}).get('folder')
        if folder and Path(folder).is_dir():
            return Path(folder), notes
    notes.append(
        'Whether validation pictures were among those of the pretraining is '
        'not known.'
    )
    return question.train_images, notes


def by_iterations(cfg: Config) -> Config:
    """Turn a fine-tuning with a length in epochs into one in iterations.

    Args:
        cfg: Config of a fine-tuning; changed.

    Returns:
        The config: endless random order, a warm-up of 50 steps, then a cosine
        to the end.
    """
    steps = DEFAULT_STEPS
    cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=steps)
    cfg.train_dataloader.sampler = dict(type='InfiniteSampler', shuffle=True)
    cfg.train_dataloader.pop('batch_sampler', None)
    lowest = cfg.optim_wrapper.optimizer.lr / 100
    cfg.param_scheduler = [
        ConfigDict(
            type='LinearLR', start_factor=0.01, by_epoch=False, end=50
        ),
        ConfigDict(
            type='CosineAnnealingLR', eta_min=lowest, by_epoch=False,
            begin=0, end=steps,
        ),
    ]  # fmt: skip
    cfg.default_hooks.checkpoint.by_epoch = False
    cfg.log_processor.by_epoch = False
    cfg.pop('load_from', None)
    return cfg


def trial(plan: Plan, question: Question, threads: int | None) -> Record:
    """Run a few steps and the whole evaluation, to measure their duration.

    Raises:
        ChildProcessError: If the trial failed; the message says why.
    """
    smallest = replace(plan.budgets[0], seeds=(0,))
    short = replace(
        plan,
        starts=plan.starts[:1],
        budgets=(smallest,),
        finetuning=Finetuning(steps=TRIAL_STEPS),
    )
    folder = question.out / 'trial'
    work = Comparison(
        short, folder, folder / 'records', question.command, threads
    )
    work.prepare()
    print(
        f'a trial of {TRIAL_STEPS} steps, to estimate the total time:',
        flush=True,
    )
    work.run()
    record = work.files.record_of(work.cells[0].name)
    if record is None or record.status != 'done':
        reason = record.error if record else 'it left no record'
        raise ChildProcessError(
            f'a trial of {TRIAL_STEPS} steps failed: {reason} (logs: '
            f'{folder / "cells"})'
        )
    return record


def choose_steps(
    record: Record, cells: int, seconds: float | None
) -> tuple[int, float]:
    """Choose the length of each fine-tuning.

    Args:
        record: The record of the trial.
        cells: Number of fine-tunings.
        seconds: Time for all of them; None for the usual length.

    Returns:
        Steps of a fine-tuning, and the seconds that all will take.

    Raises:
        ValueError: If too few steps fit into the time.
    """
    step = record.seconds / record.steps
    around = max(0.0, record.wall_seconds - record.seconds)
    if seconds is None:
        return DEFAULT_STEPS, cells * (DEFAULT_STEPS * step + around)
    steps = int((seconds / cells - around) / step)
    if steps < LEAST_STEPS:
        needed = cells * (LEAST_STEPS * step + around)
        raise ValueError(
            f'--time {describe_time(seconds)} is too short for {cells} '
            f'fine-tunings: {LEAST_STEPS} steps of each take about '
            f'{describe_time(needed)}. Give more time, or fewer --seeds or '
            '--labels'
        )
    steps = min(steps, 20 * DEFAULT_STEPS)
    return steps, cells * (steps * step + around)


def describe(plan: Plan, steps: int, seconds: float) -> str:
    """Describe the trial and estimate its duration."""
    seeds = len(plan.budgets[0].seeds)
    cells = sum(len(b.seeds) for b in plan.budgets) * len(plan.starts)
    budgets = len(plan.budgets)
    text = (
        f'{cells} fine-tunings (2 starts, {budgets} label '
        f'budget{"s" * (budgets > 1)}, {seeds} seed{"s" * (seeds > 1)}) of '
        f'{steps} steps: about {describe_time(seconds)}'
    )
    if seeds < 3:
        text += '; fewer than 3 seeds give no interval'
    return text


def answer_question(
    question: Question, threads: int | None
) -> tuple[Comparison, bool]:
    """Run the pilot.

    Returns:
        The comparison, and whether all of its cells are done.
    """
    plan = plan_of(question)
    record = trial(plan, question, threads)
    cells = sum(len(b.seeds) for b in plan.budgets) * len(plan.starts)
    steps, seconds = choose_steps(record, cells, question.seconds)
    print(describe(plan, steps, seconds), flush=True)
    plan = replace(plan, finetuning=Finetuning(steps=steps))
    comparison = Comparison(
        plan,
        question.out,
        question.out / 'records',
        question.command,
        threads,
        can_name_cells=False,
    )
    comparison.prepare()
    return comparison, comparison.run()
