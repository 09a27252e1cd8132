"""Run the demo: the whole job on data that needs no download."""

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import mmsoco
from mmsoco.utils.extras import require_extra
from mmsoco.utils.machine import available_cores
from mmsoco.workflow.steps import Job, Step

PACKAGE = Path(mmsoco.__file__).parent
# Links in a clone, copies in an installed package.
CONFIGS = PACKAGE / '.mim' / 'configs' / 'demo'
DETECTOR = 'mask-rcnn_r18-fpn.py'
PRETRAIN = 'soco_mask-rcnn_r18-fpn_1xb16-coslr-12e_demo.py'
SCRATCH = 'mask-rcnn_r18-fpn_scratch_1xb4-24e_demo.py'
FINETUNE = 'mask-rcnn_r18-fpn_soco_1xb4-24e_demo.py'
# More threads than this make the small tensors of the demo slower.
MOST_THREADS = 8
MMSOCO = ('python', '-m', 'mmsoco')


def config_path(name: str) -> Path:
    """Return a config of the demo, by its short name within a clone."""
    short = Path('configs', 'demo', name)
    return short if short.is_file() else CONFIGS / name


def max_epochs(config: Path) -> int:
    """Read the length of a training from its config."""
    from mmengine.config import Config

    return Config.fromfile(config).train_cfg.max_epochs


@dataclass(frozen=True)
class Demo:
    """The demo's steps, each a command that a user could type.

    Attributes:
        data: Folder of the scenes.
        work: Folder of the trainings, the logs and the report.
    """

    data: Path
    work: Path

    @property
    def store(self) -> Path:
        """The proposals."""
        return self.data / 'proposals.arrow'

    @property
    def exported(self) -> Path:
        """The pretrained weights in mmdet's names."""
        return self.work / 'detector.pth'

    @property
    def report(self) -> Path:
        """The report."""
        return self.work / 'report.html'

    def steps(self) -> list[Step]:
        """Return all steps in their order."""
        pretrain, scratch, finetune = map(
            config_path, (PRETRAIN, SCRATCH, FINETUNE)
        )
        epochs = max_epochs(scratch)
        last = f'epoch_{epochs}.pth'
        return [
            self._scenes(),
            self._proposals(),
            self._train(
                'pretraining',
                'Pretrain backbone, FPN and box head without labels',
                pretrain,
                max_epochs(pretrain),
                self._pretraining_data(),
            ),
            self._export(max_epochs(pretrain)),
            self._train(
                'finetuning', 'Fine-tune from the pretrained weights',
                finetune, epochs,
                {**self._labels(), 'load_from': self.exported},
            ),
            self._train(
                'scratch', 'Train from scratch, the same schedule', scratch,
                epochs, self._labels(),
            ),
            self._test(
                'test_finetuning', 'Evaluate the pretrained detector',
                finetune, self.work / 'finetuning' / last,
            ),
            self._test(
                'test_scratch', 'Evaluate the detector from scratch', scratch,
                self.work / 'scratch' / last,
            ),
            self._report(pretrain),
        ]  # fmt: skip

    def _scenes(self) -> Step:
        return Step(
            'scenes',
            'Make labeled scenes',
            ('python', '-m', 'mmsoco.demo.make_scenes', str(self.data),
             '--overwrite'),
            (self.data / 'scenes.json',),
            inputs=tuple(PACKAGE / 'demo' / name for name in
                         ('make_scenes.py', 'scenes.py')),
        )  # fmt: skip

    def _proposals(self) -> Step:
        store = self.store
        return Step(
            'proposals',
            'Propose objects without labels',
            (*MMSOCO, 'propose', str(self.data / 'train'),
             '--out', str(store), '--min-size', '20', '--min-scale', '0.15',
             '--max-scale', '0.6'),
            (store,),
            stale=(store, store.with_name(f'{store.name}.parts')),
        )  # fmt: skip

    def _train(
        self,
        name: str,
        title: str,
        config: Path,
        epochs: int,
        options: dict[str, object],
    ) -> Step:
        """Return a training, which continues when it is called again."""
        work_dir = self.work / name
        return Step(
            name=name,
            title=title,
            command=(
                *MMSOCO, 'train', str(config), '--work-dir', str(work_dir),
                '--resume', *_cfg_options(options),
            ),
            outputs=(work_dir / f'epoch_{epochs}.pth',),
            stale=(work_dir,),
            inputs=_with_bases(config),
        )  # fmt: skip

    def _export(self, epochs: int) -> Step:
        checkpoint = self.work / 'pretraining' / f'epoch_{epochs}.pth'
        return Step(
            'export',
            'Export the weights to mmdet',
            (*MMSOCO, 'export', str(checkpoint), '--out', str(self.exported)),
            (self.exported,),
            stale=(self.exported,),
        )

    def _test(
        self, name: str, title: str, config: Path, checkpoint: Path
    ) -> Step:
        """Return an evaluation that keeps the detections for the report."""
        work_dir = self.work / name
        kept = {'test_evaluator.outfile_prefix': work_dir / 'detections'}
        return Step(
            name=name,
            title=title,
            command=(
                *MMSOCO, 'test', str(config), str(checkpoint),
                '--work-dir', str(work_dir),
                *_cfg_options({**self._test_labels(), **kept}),
            ),
            outputs=(work_dir / 'detections.segm.json',),
            stale=(work_dir,),
            inputs=_with_bases(config),
        )  # fmt: skip

    def _report(self, pretrain: Path) -> Step:
        return Step(
            'report',
            'Write the report',
            ('python', '-m', 'mmsoco.demo.report', str(self.data),
             str(self.work), str(pretrain), str(self.report)),
            (self.report,),
            inputs=tuple(PACKAGE / 'demo' / name for name in
                         ('report.py', 'pictures.py')),
        )  # fmt: skip

    def _pretraining_data(self) -> dict[str, object]:
        return {
            'train_dataloader.dataset.image_root': self.data / 'train',
            'train_dataloader.dataset.proposals': self.store,
        }

    def _labels(self) -> dict[str, object]:
        return {
            'train_dataloader.dataset.data_root': f'{self.data}/',
            **self._test_labels(),
        }

    def _test_labels(self) -> dict[str, object]:
        return {
            'test_dataloader.dataset.data_root': f'{self.data}/',
            'test_evaluator.ann_file': self.data / 'annotations' / 'val.json',
        }


def _cfg_options(options: dict[str, object]) -> tuple[str, ...]:
    return ('--cfg-options', *(f'{k}={v}' for k, v in options.items()))


def _with_bases(config: Path) -> tuple[Path, ...]:
    """Return a config and the files of its folder that it may inherit."""
    folder = config.parent
    return tuple(dict.fromkeys(
        (config, folder / DETECTOR, folder / SCRATCH)
    ))  # fmt: skip


def default_threads() -> int:
    """Return the threads of each command."""
    return min(available_cores(), MOST_THREADS)


def start_over(demo: Demo) -> None:
    """Remove the files of earlier runs of the demo, and nothing else."""
    if (demo.work / 'steps.json').is_file():
        shutil.rmtree(demo.work)
    # the folder may hold something of the user's
    if (demo.data / 'scenes.json').is_file():
        shutil.rmtree(demo.data)


def run_demo(demo: Demo, threads: int, fresh: bool = False) -> None:
    """Run the steps that are not done.

    Args:
        demo: The steps.
        threads: Threads of each command.
        fresh: Whether to start over.

    Raises:
        FileNotFoundError: If the package came without its configs.
        ModuleNotFoundError: If a package for the photographs or the report is
            missing.
        StepError: If a step failed.
    """
    require_extra('demo')
    require_extra('report')
    if not config_path(PRETRAIN).is_file():
        raise FileNotFoundError(
            f'the configs of the demo are not in {CONFIGS}; install mmsoco '
            'from its clone or wheel again'
        )
    if fresh:
        start_over(demo)
    environment = dict(
        OMP_NUM_THREADS=str(threads),
        MKL_NUM_THREADS=str(threads),
        # Waiting in a busy loop is costly if other programs use the same
        # cores.
        OMP_WAIT_POLICY='PASSIVE',
        PYTHONWARNINGS='ignore',
    )
    start = time.monotonic()
    Job(demo.work, demo.steps(), environment).run()
    print(
        f'{time.monotonic() - start:.0f} s. Open '
        f'{os.path.abspath(demo.report)} in a browser.'
    )
