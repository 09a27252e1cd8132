"""Pretrain a detector on a folder of pictures: `mmsoco pretrain`.

Four steps, each noted in the run's manifest when it is done: proposals, a
look at them, the training in a separate process, the export with the report.
A call that was interrupted and is repeated continues where it stopped.
"""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsoco.datasets.label_checks import check_labels
from mmsoco.datasets.label_reading import read_labels
from mmsoco.datasets.labels import Labels
from mmsoco.images.lists import fingerprint
from mmsoco.images.opening import open_images
from mmsoco.utils.extras import require_extra
from mmsoco.utils.files import refuse_within
from mmsoco.workflow.console import Console, quiet_log
from mmsoco.workflow.labels import boxes_by_picture
from mmsoco.workflow.proposal_step import ProposalStep, refuse_too_few
from mmsoco.workflow.run_folder import PRETRAINING, RunFolder
from mmsoco.workflow.settings import (
    PretrainSettings,
    as_path,
    check_names,
    next_command,
)

if TYPE_CHECKING:
    from mmsoco.workflow.training import Training

# Settings that the proposals depend on.
_OF_PROPOSALS = ('check', 'filters', 'proposals')
# The length of the training, the only setting that may change later.
LENGTH = ('epochs', 'time')
STEPS = ('proposals', 'look', 'pretrain', 'export')


@dataclass(frozen=True)
class PretrainedRun:
    """A finished pretraining.

    Attributes:
        out: Its folder.
        manifest: Choices, measurements and finished steps, see `RunFolder`.
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
        The paths of the results.

    Raises:
        FileNotFoundError: If the folder, or a file that was named, is not
            there.
        FileExistsError: If ``out`` holds a run of other pictures or with other
            settings than its length.
        ValueError: If there are too few pictures, none can be read, or an
            option does not fit; the message says what to do.
        TypeError: If there is no such option, or its value is of another type.
        OSError: If something could not be written; finished steps are kept.
        ChildProcessError: If the training failed.
    """
    check_names('pretrain', options, PretrainSettings)
    for name in ('check', 'proposals'):
        if options.get(name) is not None:
            options[name] = as_path(name, options[name])
    init = options.get('init')
    if init is not None and os.path.exists(as_path('init', init)):
        options['init'] = os.path.abspath(init)
    settings = PretrainSettings(
        as_path('images', images), as_path('out', out), **options
    )
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
        """Check the inputs, then run the steps that are not done."""
        identity = dict(
            folder=os.path.abspath(self.images),
            pictures=len(self.names),
            sha256=fingerprint(self.names),
        )
        given = self.asked.given()
        # Refuse wrong inputs before anything is written.
        self._forget_untrained(given)
        length = {name: given[name] for name in LENGTH if name in given}
        bound = {name: given[name] for name in given if name not in LENGTH}
        self.folder.refuse_other(identity, bound)
        is_other_length = self._take_length(length)
        self.settings = self._begun_settings(given)
        self.proposal_step = ProposalStep(
            self.folder,
            self.settings,
            self.source,
            self.found,
            self._read_boxes,
            self.console,
        )
        if is_other_length:
            self.training.change_length()
        self.proposal_step.notice_changed_pictures()
        self._check_inputs()
        with self.folder.lock(), quiet_log():
            self.folder.begin(identity, given)
            self.console.log_folder = self.folder.logs
            self.proposal_step.run(STEPS.index('proposals') + 1)
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

        Otherwise a mistyped option would stay until the folder is removed. A
        call that made nothing, for instance because of broken pictures, does
        not bind the next one either: the pictures may have been repaired.
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
            # It was killed before its first checkpoint: settings that are not
            # given stay.
            bound = {n: v for n, v in given.items() if n not in LENGTH}
            given = {**before, **bound}
        same = all(before.get(n) == given.get(n) for n in _OF_PROPOSALS)
        if before != given and same:
            manifest['settings'] = dict(given)
            for name in ('measured', 'plan'):
                manifest.pop(name, None)
            self.folder.forget('look')

    def _take_length(self, length: Mapping[str, Any]) -> bool:
        """Change the length of an existing run to that of this call.

        Args:
            length: The given options of the length; without any, the run keeps
                its length.

        Returns:
            Whether a training that was planned gets another length.
        """
        settings = self.folder.manifest.get('settings')
        if settings is None or not length:
            return False
        before = {name: settings.pop(name, None) for name in LENGTH}
        settings.update(length)
        is_other = any(before[name] != length.get(name) for name in LENGTH)
        return is_other and self.folder.manifest.get('plan') is not None

    def _begun_settings(self, given: dict[str, Any]) -> PretrainSettings:
        """Return the settings with which the run was, or will be, begun."""
        begun = dict(self.folder.manifest.get('settings', given))
        for name in ('check', 'proposals'):
            if name in begun:
                begun[name] = Path(begun[name])
        with self.folder.reads('settings'):
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

    def _read_boxes(self) -> dict[str, np.ndarray]:
        return boxes_by_picture(self.labels.document) if self.labels else {}

    @cached_property
    def training(self) -> 'Training':
        """The third step; it imports torch."""
        from mmsoco.workflow.training import Training

        return Training(self.folder, self.settings, self.console)

    def _check_inputs(self) -> None:
        """Find errors in the input before the long steps."""
        if self.folder.is_done('pretrain'):
            return
        if self.labels is not None and len(self.labels.problems):
            number = len(self.labels.document['images'])
            self.console.line(
                f'--check: {number} labeled pictures are used\n'
                f'{self.labels.problems}'
            )
        self.training.check()

    def _look(self) -> None:
        from mmsoco.workflow.look import draw_look

        start = time.monotonic()
        look = self.folder.path / 'look'
        pictures = [look / 'proposals.jpg', look / 'views.jpg']
        if not self.folder.is_done('look', *pictures):
            cfg = self.training.config()
            draw_look(self.proposal_step.store_path, self.images, cfg, look)
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
            self._follow_pictures()
            return
        self.training.run(number)

    def _follow_pictures(self) -> None:
        """Let the config of a finished run name the pictures' folder."""
        from mmengine.config import Config

        from mmsoco.workflow.pretrain_config import (
            PRETRAIN_DOCSTRING,
            write_config,
        )

        path = self.folder.path / 'pretrain.py'
        if not path.is_file():
            return
        cfg = Config.fromfile(path)
        dataset = cfg.train_dataloader.dataset
        if dataset.image_root != str(self.images.absolute()):
            dataset.image_root = str(self.images.absolute())
            write_config(cfg, path, PRETRAIN_DOCSTRING)

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
