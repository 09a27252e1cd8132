"""Runs the whole job on data that needs no download, and reports it.

Makes scenes, proposals for them, pretrains a small detector without labels,
exports it, fine-tunes Mask R-CNN on a few labels from the pretrained weights
and from scratch, evaluates both, and writes work_dirs/demo/report.html. Each
step is a command that you could type, and is echoed.

Called again, it skips what is done; --fresh starts over.

Example::

    python tools/demo/run_demo.py
"""

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

from mmsoco.workflow.steps import Job, Step, StepError

REPO = Path(__file__).resolve().parents[2]
DATA = Path('data/demo')
WORK = Path('work_dirs/demo')
CONFIGS = Path('configs/demo')
DETECTOR = CONFIGS / 'mask-rcnn_r18-fpn.py'
PRETRAIN = CONFIGS / 'soco_mask-rcnn_r18-fpn_1xb16-coslr-12e_demo.py'
SCRATCH = CONFIGS / 'mask-rcnn_r18-fpn_scratch_1xb4-24e_demo.py'
FINETUNE = CONFIGS / 'mask-rcnn_r18-fpn_soco_1xb4-24e_demo.py'
# More threads than this slow the small tensors of the demo down.
MOST_THREADS = 8


def train_step(
    name: str, title: str, config: Path, epochs: int, *inputs: Path
) -> Step:
    """A training; called again, it goes on from its last checkpoint."""
    work_dir = WORK / name
    command = ('python', 'tools/train.py', str(config), '--work-dir')
    return Step(
        name=name,
        title=title,
        command=(*command, str(work_dir), '--resume'),
        outputs=(work_dir / f'epoch_{epochs}.pth',),
        stale=(work_dir,),
        inputs=(config, DETECTOR, *inputs),
    )


def test_step(name: str, title: str, config: Path, checkpoint: Path) -> Step:
    """An evaluation, which also keeps the detections for the report."""
    work_dir = WORK / name
    return Step(
        name=name,
        title=title,
        command=(
            'python', 'tools/test.py', str(config), str(checkpoint),
            '--work-dir', str(work_dir), '--cfg-options',
            f'test_evaluator.outfile_prefix={work_dir}/detections',
        ),
        outputs=(work_dir / 'detections.segm.json',),
        stale=(work_dir,),
        inputs=(config, DETECTOR),
    )  # fmt: skip


def max_epochs(config: Path) -> int:
    """Reads the length of a training from its config."""
    from mmengine.config import Config

    return Config.fromfile(config).train_cfg.max_epochs


def data_steps() -> list[Step]:
    """Scenes and proposals."""
    store = DATA / 'proposals.arrow'
    return [
        Step(
            'scenes',
            'Make labelled scenes',
            ('python', '-m', 'mmsoco.demo.make_scenes', str(DATA),
             '--overwrite'),
            (DATA / 'scenes.json',),
            inputs=tuple(REPO / 'mmsoco/demo' / name for name in
                         ('make_scenes.py', 'scenes.py')),
        ),
        Step(
            'proposals',
            'Propose objects without labels',
            ('python', 'tools/proposals/generate.py', str(DATA / 'train'),
             str(store), '--min-size', '20', '--min-scale', '0.15',
             '--max-scale', '0.6'),
            (store,),
            stale=(store, store.with_name(f'{store.name}.parts')),
        ),
    ]  # fmt: skip


def training_steps() -> list[Step]:
    """Pretraining, export, both trainings and their evaluations."""
    pretrained = WORK / 'pretraining' / f'epoch_{max_epochs(PRETRAIN)}.pth'
    epochs = max_epochs(SCRATCH)
    exported = WORK / 'detector.pth'
    tool = 'tools/model_converters/export_detector.py'
    last = f'epoch_{epochs}.pth'
    return [
        train_step(
            'pretraining',
            'Pretrain backbone, FPN and box head without labels',
            PRETRAIN,
            max_epochs(PRETRAIN),
        ),
        Step(
            'export',
            'Export the weights to mmdet',
            ('python', tool, str(pretrained), str(exported)),
            (exported,),
        ),
        train_step(
            'finetuning', 'Fine-tune from the pretrained weights', FINETUNE,
            epochs, SCRATCH,
        ),
        train_step(
            'scratch', 'Train from scratch, the same schedule', SCRATCH, epochs
        ),
        test_step(
            'test_finetuning', 'Evaluate the pretrained detector', FINETUNE,
            WORK / 'finetuning' / last,
        ),
        test_step(
            'test_scratch', 'Evaluate the detector from scratch', SCRATCH,
            WORK / 'scratch' / last,
        ),
    ]  # fmt: skip


def report_step() -> Step:
    """The report."""
    report = WORK / 'report.html'
    command = ('python', '-m', 'mmsoco.demo.report', str(DATA), str(WORK))
    return Step(
        'report',
        'Write the report',
        (*command, str(PRETRAIN), str(report)),
        (report,),
        inputs=(
            REPO / 'mmsoco/demo/report.py',
            REPO / 'mmsoco/demo/pictures.py',
        ),
    )


def start_over() -> None:
    """Removes what earlier runs of the demo made."""
    shutil.rmtree(WORK, ignore_errors=True)
    # data/ may hold a folder of the user's by this name
    if (DATA / 'scenes.json').is_file():
        shutil.rmtree(DATA)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--fresh', action='store_true', help='do every step again'
    )
    parser.add_argument(
        '--threads',
        type=int,
        default=min(os.cpu_count() or 1, MOST_THREADS),
        help='of each command (default: %(default)s)',
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Runs the demo."""
    args = parse_args(argv)
    os.chdir(REPO)
    if args.fresh:
        start_over()
    threads = str(args.threads)
    environment = dict(
        OMP_NUM_THREADS=threads,
        MKL_NUM_THREADS=threads,
        # Spinning at barriers costs many times the work where other programs
        # use the same cores.
        OMP_WAIT_POLICY='PASSIVE',
        PYTHONWARNINGS='ignore',
    )
    steps = [*data_steps(), *training_steps(), report_step()]
    job = Job(WORK, steps, environment)
    start = time.monotonic()
    try:
        job.run()
    except StepError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit('stopped; the same command goes on from here')
    print(
        f'{time.monotonic() - start:.0f} s. Open '
        f'{(WORK / "report.html").resolve()} in a browser.'
    )


if __name__ == '__main__':
    main()
