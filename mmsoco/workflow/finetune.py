"""Fine-tune a pretrained detector on labels: `mmsoco finetune`.

It has three steps: the labels are read and checked, the detector is trained in
a separate process, and it is evaluated on the validation pictures. Then its
weights are written alone, without the state of the training. Classes, boxes or
masks, and the size of the pictures come from the files.
"""

import hashlib
import json
import os
import shlex
import time
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmsoco.datasets.filtered_pictures import note_filtered
from mmsoco.datasets.label_checks import check_labels
from mmsoco.datasets.label_reading import read_labels
from mmsoco.datasets.labels import Labels, is_voc
from mmsoco.utils.extras import require_extra
from mmsoco.utils.files import sha256, write_json
from mmsoco.workflow.child import (
    ScalarsFollower,
    evaluation_command,
    resume_notes,
    run_child,
    training_command,
)
from mmsoco.workflow.console import Console
from mmsoco.workflow.finetune_settings import FinetuneSettings
from mmsoco.workflow.finetune_summary import show_labels, show_metrics
from mmsoco.workflow.finetuned_run import (
    DETECTOR,
    FinetunedRun,
    read_evaluation,
)
from mmsoco.workflow.labels import draw_labels
from mmsoco.workflow.news import DetectorNews
from mmsoco.workflow.parts import choose_parts
from mmsoco.workflow.pretrained_run import (
    read_config,
    refuse_other_weights,
    refuse_unfinished,
)
from mmsoco.workflow.run_folder import RunFolder, read_pretraining
from mmsoco.workflow.settings import as_path, check_names, counted

if TYPE_CHECKING:
    from mmengine.config import Config

_DIGITS = 16  # of a hash in the manifest
STEPS = ('labels', 'finetune', 'evaluate')


def finetune(
    run: str | os.PathLike,
    train: str | os.PathLike,
    val: str | os.PathLike,
    *,
    console: Console | None = None,
    **options: Any,
) -> FinetunedRun:
    """Fine-tune a pretrained detector on labels, and judge it.

    Args:
        run: Folder of the pretraining.
        train: Labels to train on: a COCO JSON with ``train_images``, or a
            data set in VOC layout (its folder, or a list of its
            ``ImageSets/Main``).
        val: Labels to judge on, likewise.
        console: What reports the progress; by default standard output.
        options: See `FinetuneSettings`, such as ``train_images``,
            ``labels=60`` or ``scratch=True``.

    Returns:
        The paths of the results, and the metrics.

    Raises:
        FileNotFoundError: If a folder or a file is not there.
        FileExistsError: If the folder holds a fine-tuning on other labels or
            with other settings.
        ValueError: If nothing can be learned from the labels, or an option
            does not fit; the message says what to do.
        TypeError: If there is no such option, or its value is of another type.
        ChildProcessError: If the training or the evaluation failed.
    """
    check_names('finetune', options, FinetuneSettings)
    for name in ('train_images', 'val_images', 'out'):
        if options.get(name) is not None:
            options[name] = as_path(name, options[name])
    settings = FinetuneSettings(
        as_path('run', run),
        as_path('train', train),
        as_path('val', val),
        **options,
    )
    return _Finetuning(settings, console or Console(len(STEPS))).run()


class _Finetuning:
    """The steps of one call, in their order."""

    def __init__(self, settings: FinetuneSettings, console: Console) -> None:
        require_extra('report')
        self.settings = settings
        self.console = console
        refuse_unfinished(settings.run)
        self.pretraining = read_config(settings.run)
        self.parts = None
        if not settings.scratch:
            refuse_other_weights(settings.run)
            self.parts = choose_parts(settings.run, settings.parts)
        elif settings.parts is not None:
            raise ValueError(
                '--parts names weights to load, and --scratch loads none; '
                'give one of the two'
            )
        self.train = self._read(settings.train, settings.train_images, 'train')
        classes = self.train.classes
        self.val = self._read(
            settings.val, settings.val_images, 'val', classes
        )
        if self.has_masks:
            self.train, self.val = self.train.of_masks(), self.val.of_masks()
        self.folder = RunFolder(settings.folder, 'fine-tuning')

    def run(self) -> FinetunedRun:
        """Refuse impossible settings, then make the remaining steps."""
        identity, given = self._identity(), self.settings.given()
        # All that can be refused is, before anything is written.
        self._forget_untrained()
        self.folder.refuse_other(identity, given)
        cfg = self._make_config()
        with self.folder.lock():
            self.folder.begin(identity, given)
            self.console.log_folder = self.folder.logs
            self._write_labels()
            self._write_config(cfg)
            self._train()
            metrics = self._evaluate()
            self._export()
        return FinetunedRun(
            self.settings.folder, metrics, self.folder.manifest
        )

    def _forget_untrained(self) -> None:
        """Let other settings replace those of a run that was never trained.

        Otherwise a mistyped option would stay until the folder is removed.
        """
        manifest = self.folder.manifest
        trained = any(self.folder.checkpoints.glob('*.pth'))
        if manifest and 'finetune' not in manifest['steps'] and not trained:
            manifest.clear()

    def _read(
        self,
        path: Path,
        images: Path | None,
        name: str,
        classes: tuple[str, ...] | None = None,
    ) -> Labels:
        if images is None and path.suffix.lower() == '.json':
            raise ValueError(
                f'--{name} {path} needs --{name}-images, the folder of its '
                'pictures'
            )
        labels = read_labels(path, images, classes)
        check_labels(labels, source='the training labels')
        return labels

    def _identity(self) -> dict[str, Any]:
        weights = self.settings.run / 'detector.pth'
        return dict(
            train=_named(self.train),
            val=_named(self.val),
            pictures=_measured((self.train, self.val)),
            weights=None
            if self.settings.scratch
            else sha256(weights)[:_DIGITS],
        )

    @property
    def has_masks(self) -> bool:
        """Whether masks are trained and evaluated too."""
        return self.train.has_masks and self.val.has_masks

    @cached_property
    def document(self) -> dict[str, Any]:
        """The training labels, or those that were drawn from them."""
        if self.settings.labels is None:
            return self.train.document
        return draw_labels(
            self.train.document, self.settings.labels, self.settings.seed
        )

    def _write_labels(self) -> None:
        path = self.folder.path
        if not self.folder.is_done(
            'labels', path / 'train.json', path / 'val.json'
        ):
            start = time.monotonic()
            write_json(path / 'train.json', self.document)
            write_json(path / 'val.json', self.val.document)
            self.folder.note('labels', time.monotonic() - start)
        show_labels(self.console, self.document, self.train, self.val)

    def _make_config(self) -> 'Config':
        """Return the config of the training; nothing is written."""
        from mmsoco.config.reading import apply_options
        from mmsoco.workflow import finetune_config as configs
        from mmsoco.workflow.training import has_gpu

        is_large = has_gpu()
        sizes = [(i['height'], i['width']) for i in self.document['images']]
        data = configs.DetectionData(
            classes=self.train.classes,
            has_masks=self.has_masks,
            train=self.folder.path / 'train.json',
            train_images=self.train.images,
            val=self.folder.path / 'val.json',
            val_images=self.val.images,
            scale=configs.fitting_scale(sizes, is_large),
        )
        weights = self.settings.run / 'detector.pth'
        cfg = configs.build_config(
            configs.load_recipe(is_large),
            self.pretraining,
            data,
            self.folder.checkpoints,
            None if self.settings.scratch else weights,
            self.parts,
        )
        dropped = note_filtered(
            replace(self.train, document=self.document),
            configs.TRAINING_FILTER,
        )
        self.epochs, self.steps = configs.set_size(
            cfg,
            len(self.document['images']) - dropped,
            self.settings.batch_size,
            self.settings.epochs,
            is_large,
        )
        cfg.randomness.seed = self.settings.seed
        apply_options(cfg, self.settings.cfg_options or {})
        self.scale = data.scale
        return cfg

    def _write_config(self, cfg: 'Config') -> None:
        from mmsoco.workflow.finetune_config import DOCSTRING
        from mmsoco.workflow.pretrain_config import write_config

        write_config(cfg, self.folder.path / 'finetune.py', DOCSTRING)

    def _train(self) -> None:
        name = f'epoch_{self.epochs}.pth'
        last = self.folder.checkpoints / name
        if self.folder.is_done('finetune', last):
            seconds = self.folder.manifest['steps']['finetune']['seconds']
            self.console.step(
                2, 'finetune', f'done before, in {seconds:.0f} s'
            )
            return
        self.console.step(
            2,
            'finetune',
            f'{self._origin()}, pictures of {self.scale[0]}x{self.scale[1]}, '
            f'{counted(self.epochs, "epoch")}, {counted(self.steps, "step")}',
        )
        for note, text in resume_notes(self.folder.checkpoints):
            self.console.detail(note, text)
        start = time.monotonic()
        command = training_command(
            self.folder.path / 'finetune.py', self.folder.checkpoints, 1
        )
        follower = ScalarsFollower(self.folder.checkpoints)
        with self.console.progress('epoch', self.steps) as progress:
            news = DetectorNews(progress, self.epochs)
            run_child(
                command,
                self.folder.logs / 'finetune.log',
                self._threads(),
                on_poll=lambda: news.take(follower.new_entries()),
            )
        if news.text:
            self.console.detail(*news.line())
        seconds = time.monotonic() - start
        self.folder.save(checkpoint=name)
        self.folder.note(
            'finetune',
            seconds,
            epochs=self.epochs,
            steps=self.steps,
            start=self._origin(),
        )

    def _origin(self) -> str:
        if self.settings.scratch:
            return 'from scratch'
        if self.parts is None:
            return 'from detector.pth'
        return f'from {", ".join(self.parts)} of detector.pth'

    def _threads(self) -> int | None:
        pretraining = read_pretraining(self.settings.run)
        return (pretraining.get('plan') or {}).get('threads')

    def _evaluate(self) -> dict[str, float]:
        from mmsoco.workflow import run_report

        start = time.monotonic()
        out = self.folder.path / 'evaluation'
        report = self.folder.path / 'report.html'
        if not self.folder.is_done('evaluate', report):
            checkpoint = (
                self.folder.checkpoints / self.folder.manifest['checkpoint']
            )
            with self.console.progress('evaluate', 1) as progress:
                progress.show(f'{len(self.val.document["images"])} pictures')
                run_child(
                    evaluation_command(
                        self.folder.path / 'finetune.py', checkpoint, out
                    ),
                    self.folder.logs / 'evaluate.log',
                    self._threads(),
                    what='evaluation',
                )
            self.folder.save(
                metrics=read_evaluation(out),
                val_images=str(self.val.images.absolute()),
            )
            self.folder.note('evaluate', time.monotonic() - start)
            run_report.write_finetune_report(self.folder.path)
            run_report.write_run_report(self.settings.run)
        metrics = self.folder.manifest['metrics']
        show_metrics(
            self.console,
            metrics,
            self.has_masks,
            train=self.document,
            val=self.val.document,
            steps=self.steps,
        )
        self.console.line(f'report: {report}')
        return metrics

    def _export(self) -> None:
        """Write the weights alone, which mmdet loads, and say what is next."""
        from mmsoco.checkpoints import io
        from mmsoco.checkpoints.publish import without_training_state

        weights = self.folder.path / DETECTOR
        if not self.folder.is_done('export', weights):
            start = time.monotonic()
            checkpoint = (
                self.folder.checkpoints / self.folder.manifest['checkpoint']
            )
            io.save_atomic(without_training_state(checkpoint), weights)
            self.folder.note('export', time.monotonic() - start)
        folder = shlex.quote(str(self.folder.path))
        self.console.line(
            f'next: mmsoco detect {folder} PICTURES --out FOLDER'
        )


def _named(labels: Labels) -> str:
    """Name labels by their file, its content and the folder of pictures."""
    if is_voc(labels.path):  # the content is in many files
        text = json.dumps(labels.document, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()
    else:
        digest = sha256(labels.path)
    name = f'{labels.path.absolute()} ({digest[:_DIGITS]})'
    return f'{name} of {labels.images.absolute()}'


def _measured(of: Iterable[Labels]) -> str:
    """Tell pictures from others of the same names by their bytes."""
    total, digest = 0, hashlib.sha256()
    for labels in of:
        for image in labels.document['images']:
            size = (labels.images / image['file_name']).stat().st_size
            total += size
            digest.update(f'{image["file_name"]} {size}\n'.encode())
    return f'of {total} bytes ({digest.hexdigest()[:_DIGITS]})'
