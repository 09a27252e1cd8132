"""Finish a pretraining: export the weights, write a config and a report."""

import json
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

from mmsoco.checkpoints.export import export_detector
from mmsoco.datasets.labels import Labels
from mmsoco.utils.files import sha256
from mmsoco.workflow import finetune_config as finetuning
from mmsoco.workflow.child import run_child
from mmsoco.workflow.console import Console
from mmsoco.workflow.parts import useful_parts
from mmsoco.workflow.pretrain_config import write_config
from mmsoco.workflow.run_folder import RunFolder
from mmsoco.workflow.run_report import write_run_report
from mmsoco.workflow.settings import PretrainSettings

FINETUNE_DOCSTRING = """Fine-tuning of the pretrained detector on labels.

The complete config: it inherits nothing. `mmsoco finetune` fills it in from
the labels; to use it by hand, set the paths of labels and pictures, the
classes and num_classes.

command:   mmsoco train finetune.py
           mim train mmsoco finetune.py
"""
# Where `finetune.py` looks for labels until their paths are set.
_TRAIN, _VAL = 'annotations/train.json', 'annotations/val.json'


def finish_pretraining(
    folder: RunFolder,
    settings: PretrainSettings,
    labels: Labels | None,
    console: Console,
) -> None:
    """Write ``detector.pth``, ``finetune.py`` and ``report.html``.

    Args:
        folder: The run's folder.
        settings: The settings of the run.
        labels: The labels of ``--check``, by which the result is gauged.
        console: What reports the progress.

    Raises:
        FileNotFoundError: If the training left no checkpoint.
        OSError: If something could not be written.
    """
    detector = folder.path / 'detector.pth'
    epochs = Config.fromfile(folder.path / 'pretrain.py').train_cfg.max_epochs
    last = folder.checkpoints / f'epoch_{epochs}.pth'
    manifest = export_detector(last, detector)
    folder.save(
        exported=json.loads(json.dumps(manifest['parts'])),
        detector_sha256=sha256(detector),
    )
    if labels is not None:
        folder.save(labels=str(_labels_file(folder, labels).absolute()))
    _write_finetune_config(folder, settings, labels, detector)
    if labels is not None:
        with console.progress('probe', 1) as progress:
            progress.show('do the features distinguish the classes?')
            folder.save(probe=_probe(folder, settings, detector))
    write_run_report(folder.path)


def _labels_file(folder: RunFolder, labels: Labels) -> Path:
    """Return the file of the labels after repairs."""
    if not labels.is_changed:
        return labels.path
    written = folder.path / 'labels.json'
    labels.write(written)
    return written


def _probe(
    folder: RunFolder,
    settings: PretrainSettings,
    weights: Path,
) -> dict[str, Any]:
    """Gauge the weights by the labels, or say that they do not suffice."""
    out = folder.logs / 'probe.json'
    try:
        run_child(
            ('-m', 'mmsoco.workflow.gauge', str(folder.path / 'pretrain.py'),
             str(weights), str(settings.images), folder.manifest['labels'],
             str(out)),
            folder.logs / 'probe.log',
            folder.manifest['plan']['threads'],
            what='probe',
        )  # fmt: skip
    except ChildProcessError as error:
        # The run must not fail because its gauge does.
        return dict(text=f'There is no probe: {error}', header=[], rows=[])
    return json.loads(out.read_text(encoding='utf-8'))


def _write_finetune_config(
    folder: RunFolder,
    settings: PretrainSettings,
    labels: Labels | None,
    weights: Path,
) -> None:
    is_large = torch.cuda.is_available()
    root = Path('data/custom')
    classes: tuple[str, ...] = ('first class', 'second class')
    has_masks = False
    train, images = root / _TRAIN, root / 'train'
    scale = finetuning.LARGE_SCALE if is_large else finetuning.SMALL_SCALE
    if labels is not None:
        classes, has_masks = labels.classes, labels.has_masks
        train, images = Path(folder.manifest['labels']), settings.images
        sizes = [(i['height'], i['width']) for i in labels.document['images']]
        scale = finetuning.fitting_scale(sizes, is_large)
    data = finetuning.DetectionData(
        classes, has_masks, train, images, root / _VAL, root / 'val', scale
    )
    pretraining = Config.fromfile(folder.path / 'pretrain.py')
    cfg = finetuning.build_config(
        finetuning.load_recipe(is_large),
        pretraining,
        data,
        folder.path / 'finetune' / 'checkpoints',
        weights,
        useful_parts(folder.manifest),
    )
    write_config(cfg, folder.path / 'finetune.py', FINETUNE_DOCSTRING)
