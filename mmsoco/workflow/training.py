"""Plan the training of `mmsoco pretrain`, and run it in a process."""

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from torch import nn

from mmsoco.checkpoints.io import load_run
from mmsoco.checkpoints.newest import newest_usable
from mmsoco.checkpoints.warm_start import (
    SCRATCH,
    load_start,
    parse_starts,
)
from mmsoco.engine.loops import epochs_for
from mmsoco.engine.run_record import Change, RunRecord
from mmsoco.engine.trial_build import build_parts
from mmsoco.models.pretexts import rpn_config
from mmsoco.proposals.store import ProposalStore
from mmsoco.utils.machine import available_cores
from mmsoco.visualization.logs import LEAST_OF_PAIR
from mmsoco.workflow import plan_text
from mmsoco.workflow import pretrain_config as configs
from mmsoco.workflow.child import (
    ScalarsFollower,
    resume_notes,
    run_child,
    training_command,
)
from mmsoco.workflow.console import Console, quiet_log
from mmsoco.workflow.measure import (
    describe_disturbance,
    fastest,
    images_per_second,
)
from mmsoco.workflow.news import PretrainingNews
from mmsoco.workflow.run_folder import RunFolder
from mmsoco.workflow.settings import PretrainSettings

# How long a run is if neither the user nor the recipe says: about 40,000
# samples at the small recipe's batch, but never fewer epochs than that has,
# nor more than SoCo's own.
DEFAULT_STEPS = 2500
FEWEST_EPOCHS, MOST_EPOCHS = 8, 400


class Training:
    """Plans a pretraining and runs it in a separate process.

    Args:
        folder: The run's folder.
        settings: The settings with which the run was begun.
        console: What reports the progress.
    """

    def __init__(
        self, folder: RunFolder, settings: PretrainSettings, console: Console
    ) -> None:
        self.folder = folder
        self.settings = settings
        self.console = console
        self.has_gpu = has_gpu()
        self.recipe = configs.load_recipe(self.has_gpu)
        self.change: Change | None = None

    @cached_property
    def detector(self) -> dict:
        """The detector's config."""
        return configs.load_detector(self.settings.detector, self.has_gpu)

    @property
    def devices(self) -> int:
        """GPUs, or processes on a machine without one."""
        if self.settings.devices is not None:
            return self.settings.devices
        return max(torch.cuda.device_count(), 1)

    @cached_property
    def trains_rpn(self) -> bool:
        """Whether the detector's RPN is trained, too.

        Unless the user decides, it is by the recipe for small folders, where
        it was ahead in every pair (docs/results.md), if the detector has an
        RPN that starts from random weights. One that was trained on labels, as
        in COCO weights, was not measured, and may lose by it.
        """
        if self.settings.rpn is not None:
            return self.settings.rpn
        options = self.settings.cfg_options
        if self.has_gpu or any(
            k.startswith('model.pretexts') for k in options
        ):
            return False
        init = options.get('model.init', self.settings.init)
        starts = parse_starts(init, self.detector)
        if any(start.parts is None for start in starts):  # whole detectors
            return False
        try:
            rpn_config(self.detector)
        except ValueError:
            return False
        return True

    @property
    def config_path(self) -> Path:
        """The whole config."""
        return self.folder.path / 'pretrain.py'

    @quiet_log()
    def check(self) -> None:
        """Refuse impossible trainings before the long steps.

        Raises:
            ValueError: If the detector, the weights to start from, or an
                option does not fit.
            FileNotFoundError: If a file that was named is not there.
        """
        name = self.settings.detector or 'of this machine'
        configs.build_encoder(self.detector, self.recipe, name)
        if self.settings.rpn:
            self._refuse_without_rpn()
        if self.settings.precision == 'fp16' and not self.has_gpu:
            raise ValueError(
                '--precision fp16 needs a GPU; take bf16 or fp32 here'
            )
        if self.has_gpu and self.devices > torch.cuda.device_count():
            raise ValueError(
                f'--devices {self.devices}: this machine has '
                f'{torch.cuda.device_count()} GPUs'
            )
        found = self.settings.init
        if found not in (None, SCRATCH) and not os.path.exists(found):
            if '://' not in found:
                raise FileNotFoundError(
                    f'--init: there is no file {found}; give a checkpoint of '
                    'a detector or a backbone, or "scratch"'
                )
        self._check_start(build_parts(self.config()))

    def _refuse_without_rpn(self) -> None:
        try:
            rpn_config(self.detector)
        except ValueError as error:
            raise ValueError(f'--rpn: {error}') from error

    def _check_start(self, model: nn.Module) -> None:
        """Load the weights to start from, to find errors early."""
        try:
            reports = [
                load_start(
                    model.trained_parts(), start, model.input_convention
                )
                for start in model.starts
            ]
        except (ValueError, OSError) as error:
            found, remedy = self.settings.init, ''
            if found is None:
                found = "(not given: what the detector's config names)"
                remedy = '. --init scratch starts without weights'
            text = str(error).removesuffix('.') if remedy else error
            kind = OSError if isinstance(error, OSError) else ValueError
            raise kind(f'--init {found}: {text}{remedy}') from error
        self.start = '; '.join(map(plan_text.describe_start, reports))

    def config(self) -> Config:
        """Return the config without the settings that are measured."""
        options = dict(self.settings.cfg_options)
        if self.settings.init is not None:
            options = {'model.init': self.settings.init, **options}
        if self.settings.seed is not None:
            options = {'randomness.seed': self.settings.seed, **options}
        if not self.has_gpu:
            cores = available_cores()
            workers = self.settings.workers or min(cores, 4)
            options = {'train_dataloader.num_workers': workers, **options}
        elif self.settings.workers is not None:
            workers = max(self.settings.workers // self.devices, 1)
            options = {'train_dataloader.num_workers': workers, **options}
        return configs.build_config(
            self.recipe,
            self.detector,
            self.settings.images,
            self.folder.path / 'proposals.arrow',
            self.folder.checkpoints,
            options,
            self.trains_rpn,
            configs.read_detector_config(
                self.settings.detector, self.has_gpu
            ).get('custom_imports'),
        )

    def run(self, number: int) -> None:
        """Plan, then train; continue where an earlier call stopped.

        Args:
            number: The step's number on the console.

        Raises:
            ChildProcessError: If the training failed.
        """
        plan = self.plan()
        cfg = configs.apply_plan(
            self.config(), plan, self.settings.cfg_options, self.devices
        )
        configs.write_config(cfg, self.config_path, configs.PRETRAIN_DOCSTRING)
        text = plan_text.describe_plan(plan, self.devices, self.has_gpu)
        self.console.step(number, 'pretrain', text)
        for name, text in self._remarks(plan):
            self.console.detail(name, text)
        for name, text in resume_notes(self.folder.checkpoints):
            self.console.detail(name, text)
        start = time.monotonic()
        before = self.folder.manifest.get('trained_seconds', 0.0)
        try:
            self._train(cfg, plan)
        finally:
            seconds = before + time.monotonic() - start
            self.folder.save(trained_seconds=round(seconds, 1))
        self.folder.note('pretrain', seconds, epochs=plan.epochs)

    def _train(self, cfg: Config, plan: configs.Plan) -> None:
        command = training_command(
            self.config_path, self.folder.checkpoints, self.devices
        )
        follower = ScalarsFollower(self.folder.checkpoints)
        with self.console.progress('epoch', plan.steps) as progress:
            news = PretrainingNews(
                progress, plan.epochs, LEAST_OF_PAIR * len(cfg.model.pairs)
            )
            run_child(
                command,
                self.folder.logs / 'pretrain.log',
                plan.threads,
                on_poll=lambda: news.take(follower.new_entries()),
            )
        if news.text:
            self.console.detail(*news.line())

    def change_length(self) -> None:
        """Give the plan of the manifest the length that was asked for.

        A finished training then continues from its last checkpoint. The
        manifest is changed, but not written.

        Raises:
            FileExistsError: As much is done already.
        """
        plan = self.plan()
        epochs = self._epochs(
            plan.steps_per_epoch,
            configs.pictures_of_epoch(plan, self.devices),
            plan_text.speed_of(plan),
        )
        if epochs == plan.epochs:
            return
        done = self.epochs_done()
        if epochs <= done:
            raise FileExistsError(
                f'{self.folder.path} has trained {done:.4g} epochs already, '
                f'and the length asked for is {epochs}: give a larger '
                '--epochs (or --time) to continue, or choose another --out '
                'for a shorter run'
            )
        self.folder.manifest['plan'] = vars(replace(plan, epochs=epochs))
        self.folder.forget('pretrain')
        self.change = Change('epochs', plan.epochs, epochs)

    def epochs_done(self) -> float:
        """Return the passes that the newest checkpoint has made."""
        newest, _ = newest_usable(self.folder.checkpoints)
        if newest is None:
            return 0.0
        meta = load_run(newest)['meta']
        record = RunRecord.from_meta(meta)
        if record is None:  # a checkpoint of an earlier release
            return meta['iter'] / self.plan().steps_per_epoch
        return meta['iter'] / record.epoch_length

    def plan(self) -> configs.Plan:
        """Return the plan of the manifest, or make it."""
        found = self.folder.manifest.get('plan')
        if found is None:
            found = vars(self._make_plan())
            self.folder.save(plan=found)
        with self.folder.reads('plan'):
            return configs.Plan(**found)

    def _make_plan(self) -> configs.Plan:
        pictures = len(ProposalStore(self.folder.path / 'proposals.arrow'))
        cfg = self.config()
        batch = self.settings.batch_size or cfg.train_dataloader.batch_size
        batch = min(batch, pictures // self.devices)
        cfg.train_dataloader.batch_size = batch
        best = self._measure(cfg)
        speed = images_per_second(
            best, cfg.train_dataloader.num_workers, self.devices, self.has_gpu
        )
        # The sampler rounds up, so that each device gets as many pictures.
        steps = -(-pictures // self.devices) // batch
        return configs.Plan(
            detector=configs.describe_detector(self.detector),
            batch_size=batch,
            steps_per_epoch=steps,
            epochs=self._epochs(steps, pictures, speed),
            precision=best['precision'],
            threads=best['threads'],
            images_per_s=speed,
            view_size=_view_size(cfg),
        )

    def _epochs(self, steps: int, pictures: int, speed: float) -> int:
        if self.settings.epochs is not None:
            return self.settings.epochs
        if self.settings.time is not None:
            return max(int(self.settings.time * speed / pictures), 1)
        loop = dict(self.recipe.train_cfg)
        if loop.pop('type') == 'SampleBudgetTrainLoop':
            return epochs_for(num_images=pictures, **loop)
        wanted = -(-DEFAULT_STEPS // steps)
        return min(max(wanted, FEWEST_EPOCHS), MOST_EPOCHS)

    def _measure(self, cfg: Config) -> dict[str, Any]:
        """Measure precisions and threads, unless that was done before."""
        found = self.folder.manifest.get('measured')
        if found is None:
            precisions, threads = self._candidates()
            configs.write_config(
                cfg, self.config_path, configs.PRETRAIN_DOCSTRING
            )
            out = self.folder.logs / 'measured.json'
            self.console.detail(
                'measure', 'a few steps with each precision and thread count'
            )
            run_child(
                ('-m', 'mmsoco.workflow.measure', str(self.config_path),
                 str(out), ','.join(precisions), ','.join(map(str, threads))),
                self.folder.logs / 'measure.log',
                what='measurement of the speed',
            )  # fmt: skip
            found = Config.fromfile(out).to_dict()
            self.folder.save(measured=found)
            settings = len(precisions) * len(threads)
            disturbance = describe_disturbance(found['steps'], settings)
            if disturbance is not None:
                self.console.detail('note', disturbance)
        return {**found, **fastest(found['steps'])}

    def _candidates(self) -> tuple[Sequence[str], Sequence[int]]:
        cores = available_cores() // self.devices or 1
        precisions: Sequence[str] = ('fp32', 'bf16')
        if self.settings.precision is not None:
            precisions = (self.settings.precision,)
        if self.has_gpu:
            return precisions, (min(cores, 8),)
        # Where a core shows twice, its second half helps little.
        return precisions, tuple(dict.fromkeys((cores, max(cores // 2, 1))))

    def _remarks(self, plan: configs.Plan) -> list[tuple[str, str]]:
        remarks = []
        if self.change is not None:
            text = f'{self.change}; all schedules follow the new length'
            remarks.append(('length', text))
        if self.start:
            remarks.append(('start', self.start))
        if self.settings.detector is None:
            text = plan_text.describe_other_detector(
                plan, self.devices, self.has_gpu
            )
            remarks.append(('detector', text))
        if self.trains_rpn and self.settings.rpn is None:
            text = 'learns to find the proposals; --no-rpn leaves it out'
            remarks.append(('rpn', text))
        shortness = plan_text.describe_shortness(plan)
        if shortness is not None:
            remarks.append(('note', shortness))
        return remarks


def has_gpu() -> bool:
    """Return whether trainings run on a GPU."""
    return torch.cuda.is_available()


def _view_size(cfg: Config) -> int:
    for transform in cfg.train_dataloader.dataset.pipeline:
        if transform.get('views'):
            return transform['views'][0]['size']
    raise ValueError('the recipe draws no views: there is no DrawViews')
