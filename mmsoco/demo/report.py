"""Write the demo's report, a self-contained HTML file.

It reads the results of `mmsoco demo`: scenes, proposals, logs, detections and
metrics.

Example::

    python -m mmsoco.demo.report data/demo work_dirs/demo CONFIG OUT.html
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from mmsoco.demo.pictures import (
    detections_picture,
    labels_picture,
    proposals_picture,
    scenes_picture,
    views_picture,
)
from mmsoco.proposals.store import ProposalStore
from mmsoco.utils.machine import describe_machine
from mmsoco.visualization import curves, logs
from mmsoco.visualization import report as page
from mmsoco.workflow.steps import Record, read_records

PRETRAINED, FROM_SCRATCH = 'pretrained with SoCo', 'from scratch'
TESTS = {FROM_SCRATCH: 'test_scratch', PRETRAINED: 'test_finetuning'}
# The parts of the page, and the steps that they report.
PARTS = {
    'scenes': ('scenes',),
    'proposals': ('proposals',),
    'pretraining': ('pretraining',),
    'export': ('export',),
    'finetuning': ('finetuning', 'scratch'),
    'evaluation': tuple(TESTS.values()),
}
OWN_COMMANDS = """\
mmsoco pretrain "my pictures" --out out/mine
mmsoco finetune out/mine --train train.json --train-images "my pictures" \\
    --val val.json --val-images "my validation pictures"
"""


@dataclass(frozen=True)
class Demo:
    """Where everything is.

    Attributes:
        data: Folder of the scenes.
        work: Folder of the trainings and the records.
        records: Durations and memory of each step.
    """

    data: Path
    work: Path
    records: dict[str, Record]

    def commands(self, *names: str) -> list[str]:
        """Return the commands of steps."""
        return [
            self.records[name].command
            for name in names
            if name in self.records
        ]

    def scalars(self, name: str) -> list[dict]:
        """Return the logged numbers of a training."""
        return logs.read_scalars(self.work / name)

    def seconds(self, *names: str) -> float:
        """Wall time of steps."""
        return sum(
            self.records[name].seconds
            for name in names
            if name in self.records
        )

    def annotations(self, name: str) -> dict:
        """Return a COCO file of the scenes."""
        path = self.data / 'annotations' / f'{name}.json'
        return json.loads(path.read_text())

    def metrics(self, name: str) -> dict[str, float]:
        """COCO's metrics of an evaluation."""
        return logs.read_metrics(self.work / name, 'coco/bbox_mAP')


def build_report(demo: Demo, config: Path, path: Path) -> None:
    """Write the report.

    Args:
        demo: Where everything is.
        config: Config of the pretraining.
        path: File to write.
    """
    page.write_page(
        path,
        'demo.html',
        title='mmsoco: the demo',
        tiles=tiles(demo),
        times=times(demo),
        seconds={name: demo.seconds(*s) for name, s in PARTS.items()},
        commands={name: demo.commands(*s) for name, s in PARTS.items()},
        scenes=describe_scenes(demo),
        proposals=describe_proposals(demo),
        went=logs.summarize(demo.scalars('pretraining')),
        export_log=(demo.work / 'logs' / 'export.log').read_text(),
        loaded=logs.read_load_reports(demo.work / 'finetuning'),
        metrics=metrics_table(demo),
        pictures=draw_pictures(demo, config),
        own_commands=OWN_COMMANDS,
        machine=describe_job(demo),
    )


def tiles(demo: Demo) -> list[tuple[str, str]]:
    """Return the main numbers with their labels."""
    ours = demo.metrics('test_finetuning')['coco/bbox_mAP']
    scratch = demo.metrics('test_scratch')['coco/bbox_mAP']
    total = sum(record.seconds for record in demo.records.values())
    few = demo.annotations('train_few')['images']
    return [
        (page.percent(ours), f'box AP (%), {PRETRAINED}'),
        (page.percent(scratch), f'box AP (%), {FROM_SCRATCH}'),
        (str(len(few)), 'labeled scenes'),
        (f'{total / 60:.1f} min', 'for the whole job'),
    ]


def times(demo: Demo) -> list[page.StepTime]:
    """Return how long each part took."""
    anchors = {'finetuning': 'fine-tuning'}
    return [
        page.StepTime(
            anchors.get(name, name),
            demo.seconds(*steps),
            anchors.get(name, name),
        )
        for name, steps in PARTS.items()
    ]


def describe_scenes(demo: Demo) -> dict:
    """Count scenes, objects and classes."""
    train, few = demo.annotations('train'), demo.annotations('train_few')
    return dict(
        train=len(train['images']),
        val=len(demo.annotations('val')['images']),
        few=len(few['images']),
        objects=len(few['annotations']),
        classes=[category['name'] for category in train['categories']],
    )


def describe_proposals(demo: Demo) -> dict:
    """Count pictures, boxes and bytes of the store."""
    path = demo.data / 'proposals.arrow'
    store = ProposalStore(path)
    return dict(
        images=len(store),
        boxes=store.metadata['boxes'],
        bytes=path.stat().st_size,
    )


def metrics_table(demo: Demo) -> dict:
    """Return header and rows of the table of both detectors."""
    columns = {
        'box AP': 'coco/bbox_mAP',
        'box AP50': 'coco/bbox_mAP_50',
        'mask AP': 'coco/segm_mAP',
        'mask AP50': 'coco/segm_mAP_50',
    }
    rows = [
        [
            label,
            *(page.percent(demo.metrics(n)[key]) for key in columns.values()),
        ]
        for label, n in TESTS.items()
    ]
    return dict(header=['start', *columns], rows=rows)


def draw_pictures(demo: Demo, config: Path) -> dict[str, str]:
    """Draw the pictures, each as a URI."""
    store = ProposalStore(demo.data / 'proposals.arrow')
    found = [demo.work / n / 'detections.segm.json' for n in TESTS.values()]
    drawn = dict(
        scenes=scenes_picture(demo.data, demo.annotations('train')),
        labels=labels_picture(demo.data, demo.annotations('train_few')),
        proposals=proposals_picture(demo.data, store),
        views=views_picture(config, demo.data),
        detections=detections_picture(
            demo.data, demo.annotations('val'), found
        ),
    )
    return {name: page.image_uri(image) for name, image in drawn.items()} | {
        'pretraining': page.curves_uri(
            curves.pretraining_panels(demo.scalars('pretraining'))
        ),
        'finetuning': page.curves_uri(finetuning_panels(demo)),
    }


def finetuning_panels(demo: Demo) -> list[curves.Panel]:
    """Return the losses of both trainings, to draw."""
    runs = {PRETRAINED: 'finetuning', FROM_SCRATCH: 'scratch'}
    scalars = {label: demo.scalars(name) for label, name in runs.items()}
    return [
        curves.Panel(
            title,
            [curves.series(s, name, label) for label, s in scalars.items()],
        )
        for title, name in (
            ('loss', 'loss'),
            ('loss of the class', 'loss_cls'),
            ('loss of the mask', 'loss_mask'),
        )
    ]


def describe_job(demo: Demo) -> list[tuple[str, str]]:
    """Return machine, versions, date, and time and memory of the job."""
    cpu = sum(record.cpu_seconds for record in demo.records.values())
    peak = max(record.peak_mib for record in demo.records.values())
    return [
        *describe_machine(),
        ('CPU time', f'{cpu:.0f} s in all processes'),
        ('memory', f'{peak:.0f} MiB in the largest process'),
    ]


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('data', type=Path, help='folder of the scenes')
    parser.add_argument('work', type=Path, help='folder of the trainings')
    parser.add_argument('config', type=Path, help='config of the pretraining')
    parser.add_argument('out', type=Path, help='HTML file to write')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Write the report."""
    args = parse_args(argv)
    demo = Demo(args.data, args.work, read_records(args.work))
    try:
        build_report(demo, args.config, args.out)
    except FileNotFoundError as error:
        sys.exit(f'report: {error}; run `mmsoco demo` first')
    print(args.out)


if __name__ == '__main__':
    main()
