"""Test whether pretraining helps with a user's own labels.

The reference (scratch, or weights that the user has) and the pretrained
detector are fine-tuned on the same subsets of the labels. `harness` runs the
comparison; this module makes its plan, and chooses the length of the
fine-tunings from a short trial.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from mmengine.config import Config, ConfigDict

from mmsoco.datasets.label_checks import check_labels
from mmsoco.datasets.label_reading import read_labels
from mmsoco.datasets.labels import Labels, is_voc
from mmsoco.utils.durations import describe_time
from mmsoco.utils.files import read_json, write_json
from mmsoco.utils.locks import FolderLock

from .harness import Comparison
from .plan import Plan
from .plan_parts import Budget, Data, Finetuning, Start
from .recipes import write_config
from .records import Record
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
        train: Labels to learn from, as for `mmsoco finetune`.
        train_images: Folder of their pictures; None: that of the labels.
        val: Labels to judge on.
        val_images: Folder of their pictures; None: that of the labels.
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
    train_images: Path | None
    val: Path
    val_images: Path | None
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
        ValueError: If nothing can be learned from the labels, or a budget is
            larger than the labels.
    """
    for name in (DETECTOR, CONFIG):
        if not (question.run / name).is_file():
            raise FileNotFoundError(
                f'{question.run} has no {name}: expected the folder that '
                '`mmsoco pretrain` made'
            )
    if question.init is not None and not question.init.is_file():
        raise FileNotFoundError(f'--init: {question.init} does not exist')
    train = _read('train', question.train, question.train_images)
    val = _read('val', question.val, question.val_images, train.classes)
    budgets = _budgets(question, train)
    for images in (train.images, val.images):
        if question.out.resolve() == Path(images).resolve():
            raise ValueError(
                f'--out {question.out} is the folder of the pictures: choose '
                'one of its own for the trainings'
            )
    question.out.mkdir(parents=True, exist_ok=True)
    train_file, val_file = _write_repaired(train, val, question.out)
    detector = (question.out / 'detector_config.py').absolute()
    cfg = Config.fromfile(question.run / CONFIG)
    # The cells load these parts from a file themselves, and check them.
    parts = cfg.default_hooks.get('load_report', {}).pop('parts', None)
    write_config(by_iterations(cfg), detector)
    pictures, notes = pretraining_pictures(question, train.images)
    return Plan(
        name='pilot',
        title='Does the pretrained detector help with your labels?',
        data=Data(
            root='.',
            labels=str(train_file),
            images=str(train.images),
            val_labels=str(val_file),
            val_images=str(val.images),
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


def _read(
    name: str,
    path: Path,
    images: Path | None,
    classes: tuple[str, ...] | None = None,
) -> Labels:
    """Read labels as `mmsoco finetune` does, and print what was wrong."""
    is_next = images is None and not is_voc(path)
    labels = read_labels(path, path.parent if is_next else images, classes)
    try:
        check_labels(labels, source='the training labels')
    except ValueError as error:
        hint = (
            f'\n(the pictures were looked for next to the labels; '
            f'--{name}-images names another folder)'
        )
        raise ValueError(f'{error}{hint * is_next}') from error
    if len(labels.problems):
        print(f'{path}:\n{labels.problems}', flush=True)
    return labels


def _write_repaired(
    train: Labels, val: Labels, out: Path
) -> tuple[Path, Path]:
    """Write labels that differ from their files, and return those to use.

    The categories of both get the ids of the training labels.
    """
    files = [train.path, val.path]
    if train.is_changed:
        files[0] = out / 'labels' / 'train.json'
        train.write(files[0])
    categories = train.document['categories']
    ids = {category['name']: category['id'] for category in categories}
    new_ids = {
        category['id']: ids.get(category['name'])
        for category in val.document['categories']
    }
    if val.is_changed or new_ids != {i: i for i in ids.values()}:
        files[1] = out / 'labels' / 'val.json'
        annotations = [
            dict(thing, category_id=new_ids[thing['category_id']])
            for thing in val.document['annotations']
            if new_ids[thing['category_id']] is not None
        ]
        document = dict(
            val.document, annotations=annotations, categories=categories
        )
        write_json(files[1], document)
    return files[0], files[1]


def _budgets(question: Question, train: Labels) -> tuple[Budget, ...]:
    """Return the label budgets asked for, or shares of the labels."""
    number = len(labelled_ids(train.document))
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


def pretraining_pictures(
    question: Question, train_images: Path
) -> tuple[Path, list[str]]:
    """Return the folder that was pretrained on, and sentences to report.

    Args:
        question: The question.
        train_images: The folder to take if that one is not known.
    """
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
    return train_images, notes


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

    Raises:
        BlockingIOError: If another process runs a pilot in the folder.
    """
    plan = plan_of(question)
    with FolderLock(question.out, 'running a pilot', '--out'):
        return _answer(plan, question, threads)


def _answer(
    plan: Plan, question: Question, threads: int | None
) -> tuple[Comparison, bool]:
    """Choose the length by a trial, and run all cells."""
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
