"""Run one cell in a separate process.

    python -m mmsoco.comparison.work FOLDER

FOLDER holds ``config.py``, the complete config of the training, and
``task.json``. If it is stopped at any moment and called again, it resumes from
the last checkpoint.
"""

import json
import resource
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

import mmsoco.registry  # noqa: F401  (makes the scope known)
from mmsoco.checkpoints import io
from mmsoco.checkpoints.export import (
    export_detector,
    manifest_of,
    write_detector,
)
from mmsoco.checkpoints.integrity import CHECKSUM, tensors_sha256
from mmsoco.checkpoints.load_report import (
    depends_on_classes,
    part_of,
    preview,
)
from mmsoco.checkpoints.newest import find_checkpoint
from mmsoco.engine.resuming import set_resume
from mmsoco.evaluation.probe import ProbeSettings, probe
from mmsoco.evaluation.scores import Score
from mmsoco.registry import RUNNERS
from mmsoco.structures import InputConvention
from mmsoco.structures.input_convention import META_KEY
from mmsoco.utils.files import read_json, write_json
from mmsoco.utils.machine import describe_machine

from .average_precision import evaluate
from .cells import FINETUNING, PRETRAINING, PROBE
from .gauges import measure
from .records import Record, write_record

BACKBONE = 'backbone.'
EXPORTED = 'detector.pth'
# The detector of a pretraining cell, with only `model`.
DETECTOR_CONFIG = 'detector_config.py'
# The scores of a probe that a record keeps.
_SCORES = ('knn', 'linear', 'linear_error', 'effective_rank')
_DIGITS = 4
# Logged values of our pretraining that need no labels.
GAUGES = ('loss', 'embedding_std', 'pair_cosine')


class ArrivalHook(Hook):
    """Compare a detector with the file that it starts from, by value.

    Args:
        path: The file.
        note: Where the number of tensors of each part is written, for the
            record of a cell that is finished by another process.
    """

    priority = 'VERY_HIGH'

    def __init__(self, path: Path, note: Path) -> None:
        self.path = path
        self.note = note

    def before_train(self, runner: Runner) -> None:
        """Count the loaded tensors before the first step.

        Raises:
            ValueError: If some of the file's tensors did not arrive, or are
                not finite.
        """
        if runner._resume:
            return
        model = runner.model
        model = model.module if is_model_wrapper(model) else model
        state = io.weights_of(io.load(self.path), self.path)
        write_json(self.note, arrived(state, model.state_dict(), self.path))


def arrived(
    offered: dict[str, torch.Tensor],
    model: dict[str, torch.Tensor],
    path: Path,
) -> dict[str, int]:
    """Count the tensors of a file that a model holds, by part.

    Layers whose shape follows the number of classes may differ in shape.

    Args:
        offered: The file's tensors.
        model: The model's tensors.
        path: The file, for messages.

    Returns:
        Number of equal tensors of each part.

    Raises:
        ValueError: If a tensor is not in the model, or has another value.
    """
    counts: dict[str, int] = {}
    lost = []
    for name, tensor in offered.items():
        if name.endswith('num_batches_tracked'):
            continue
        own = model.get(name)
        if own is not None and own.shape == tensor.shape:
            if torch.equal(own.detach().cpu(), tensor.to(own.dtype)):
                part = part_of(name)
                counts[part] = counts.get(part, 0) + 1
                continue
        elif own is not None and depends_on_classes(name):
            continue
        lost.append(name)
    if lost or not counts:
        raise ValueError(
            f'the weights of {path} did not arrive: {len(lost)} of '
            f'{len(offered)} tensors in the detector differ from those in '
            f'the file ({preview(lost)})'
        )
    return counts


def train(cfg: Config, hooks: list[Hook]) -> Runner:
    """Train by a config, from its newest intact checkpoint on.

    Args:
        cfg: Complete config.
        hooks: Further hooks.

    Returns:
        The runner after the training.

    Raises:
        ValueError: If there are checkpoints, but all of them are damaged.
    """
    set_resume(cfg, 'auto')
    runner = RUNNERS.build(cfg)
    for hook in hooks:
        runner.register_hook(hook)
    runner.train()
    return runner


def measured(runner: Runner) -> dict[str, Any]:
    """Return the fields of the record that a training measured.

    The time of the steps is summed over all processes that trained, since it
    is part of the checkpoints.
    """
    history = runner.message_hub.get_scalar('train/time')
    times, _ = history.data
    loader = runner.train_dataloader
    return dict(
        seconds=float(times.sum()),
        steps=runner.iter,
        pictures_seen=runner.iter
        * (loader.batch_size or loader.batch_sampler.batch_size),
    )


def pretrain(folder: Path, task: dict) -> dict[str, Any]:
    """Pretrain and export; return fields of the record."""
    runner = train(Config.fromfile(folder / 'config.py'), [])
    source = find_checkpoint(runner.work_dir)
    if task['start_kind'] == 'image-level':
        export_backbone(source, folder / EXPORTED)
    else:
        export_detector(source, folder / EXPORTED)
    scalars = runner.message_hub.log_scalars
    gauges = {
        name: round(float(scalars[f'train/{name}'].mean(50)), 4)
        for name in GAUGES
        if f'train/{name}' in scalars
    }
    gauges |= measure(
        Config.fromfile(folder / DETECTOR_CONFIG).model,
        folder / EXPORTED,
        Path(runner.cfg.train_dataloader.dataset.image_root),
    )
    return dict(measured(runner), gauges=gauges)


def export_backbone(source: Path, target: Path) -> None:
    """Write the backbone of an image-level method as detector's weights.

    Args:
        source: Checkpoint of a run whose model has a ``backbone``.
        target: The file to write.

    Raises:
        ValueError: If it has none, or one that is not finite.
    """
    checkpoint = io.load_run(source)
    state = io.weights_of(checkpoint, source)
    backbone = {n: t for n, t in state.items() if n.startswith(BACKBONE)}
    if not backbone:
        raise ValueError(
            f'{source} has no tensors named {BACKBONE}*, but '
            f'{preview(sorted(state))}'
        )
    manifest = manifest_of(backbone, checkpoint.get('meta', {}), source)
    manifest[CHECKSUM] = tensors_sha256(backbone)
    write_detector(backbone, manifest, target)


def take_parts(source: Path, parts: list[str] | None, target: Path) -> Path:
    """Write the wanted parts of weights; return the file that has them.

    Raises:
        ValueError: If a part is not there, or a tensor is not finite.
    """
    if parts is None:
        return source
    content = io.load(source)
    state = io.weights_of(content, source)
    there = {part_of(name) for name in state}
    if not set(parts) <= there:
        raise ValueError(
            f'{source} has the parts {", ".join(sorted(there))}, expected '
            f'{", ".join(parts)}'
        )
    kept = {n: t for n, t in state.items() if part_of(n) in parts}
    convention = InputConvention.of_meta(content.get('meta'))
    meta = {META_KEY: convention.to_meta()} if convention else {}
    io.save_atomic(dict(state_dict=kept, meta=meta), target)
    return target


def finetune(folder: Path, task: dict) -> dict[str, Any]:
    """Fine-tune and evaluate; return fields of the record."""
    cfg = Config.fromfile(folder / 'config.py')
    hooks, note = [], folder / 'loaded.json'
    if cfg.load_from:
        weights = take_parts(
            Path(cfg.load_from), task['parts'], folder / 'start.pth'
        )
        cfg.load_from = str(weights)
        hooks.append(ArrivalHook(weights, note))
    runner = train(cfg, hooks)
    fields = measured(runner)
    runner.test_loop.run()
    result = evaluate(
        Path(task['val_labels']),
        Path(f'{cfg.test_evaluator.outfile_prefix}.bbox.json'),
    )
    return dict(
        fields,
        ap=result.ap,
        ap_by_class=result.by_class,
        loaded=read_json(note) if hooks else {},
    )


def probe_start(folder: Path, task: dict) -> dict[str, Any]:
    """Probe a start's weights; return fields of the record."""
    settings = ProbeSettings(
        **task['probe'], precise_statistics=True, seed=task['record']['seed']
    )
    found = probe(
        Config.fromfile(folder / 'config.py').model,
        task['weights'],
        task['images'],
        task['labels'],
        settings,
    )
    return dict(
        loaded=found.loaded,
        probe=dict(
            modules=_rounded(found.modules),
            controls=_rounded(found.controls),
            majority=round(found.majority, _DIGITS),
            boxes=found.boxes,
        ),
    )


def _rounded(scores: Mapping[str, Score]) -> dict[str, dict[str, float]]:
    """Return the scores that the report shows."""
    return {
        name: {key: round(getattr(score, key), _DIGITS) for key in _SCORES}
        for name, score in scores.items()
    }


WORK = {PRETRAINING: pretrain, FINETUNING: finetune, PROBE: probe_start}


def make(folder: Path) -> Record:
    """Run the cell of a folder and write its record."""
    task = read_json(folder / 'task.json')
    record = Record(**task['record'])
    start = time.monotonic()
    fields = WORK[record.kind](folder, task)
    machine = dict(describe_machine())
    usages = [
        resource.getrusage(who)
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    ]
    record = replace(
        record,
        **fields,
        versions=machine.pop('versions'),
        machine=machine,
        wall_seconds=round(time.monotonic() - start, 1),
        cpu_seconds=round(sum(u.ru_utime + u.ru_stime for u in usages), 1),
    )
    write_record(Path(task['records']), record)
    return record


def main(argv: list[str]) -> int:
    """Run one cell; return the exit status."""
    try:
        record = make(Path(argv[0]))
    except Exception as error:  # noqa: BLE001  (the plan continues without it)
        traceback.print_exc()
        text = str(error).strip().splitlines()
        print(f'error: {text[-1] if text else type(error).__name__}')
        return 1
    print(json.dumps(dict(cell=record.cell, ap=record.ap)))
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
