"""Writes the demo's report: one HTML file that needs no other.

Reads what the steps of `mmsoco demo` left behind: scenes, proposals, logs,
detections and metrics.

Example::

    python -m mmsoco.demo.report data/demo work_dirs/demo CONFIG OUT.html
"""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmsoco.demo.pictures import (
    detections_picture,
    labels_picture,
    proposals_picture,
    scenes_picture,
    views_picture,
)
from mmsoco.proposals.store import ProposalStore
from mmsoco.utils.machine import describe_machine
from mmsoco.visualization import report as page
from mmsoco.workflow.steps import Record, read_records

PRETRAINED, FROM_SCRATCH = 'pretrained with SoCo', 'from scratch'


@dataclass(frozen=True)
class Demo:
    """Where everything is.

    Attributes:
        data: Folder of the scenes.
        work: Folder of the trainings and the records.
        records: What each step took.
    """

    data: Path
    work: Path
    records: dict[str, Record]

    def command(self, *names: str) -> str:
        """The commands of steps, as HTML."""
        return ''.join(
            page.preformatted(self.records[name].command, 'command')
            for name in names
            if name in self.records
        )

    def seconds(self, *names: str) -> float:
        """Wall time of steps."""
        return sum(
            self.records[name].seconds
            for name in names
            if name in self.records
        )

    def annotations(self, name: str) -> dict:
        """A COCO file of the scenes."""
        path = self.data / 'annotations' / f'{name}.json'
        return json.loads(path.read_text())

    def metrics(self, name: str) -> dict[str, float]:
        """COCO's metrics of an evaluation."""
        return page.read_metrics(self.work / name, 'coco/bbox_mAP')


@dataclass(frozen=True)
class Section:
    """A part of the report.

    Attributes:
        title: Its heading.
        short: Its name in the timeline.
        steps: Names of the steps that it tells of.
        body: HTML.
    """

    title: str
    short: str
    steps: tuple[str, ...]
    body: str


def scenes_section(demo: Demo) -> Section:
    """The data."""
    train, few = demo.annotations('train'), demo.annotations('train_few')
    val = demo.annotations('val')
    names = [category['name'] for category in train['categories']]
    text = f"""
    {len(train['images'])} training and {len(val['images'])} validation
    scenes: textured shapes on photographs that ship with scikit-image and
    scikit-learn. The classes are {', '.join(names[:-1])} and {names[-1]}. A
    class is a texture and a shape, colours are drawn at random, and the
    photographs behind the validation scenes do not occur in training.

    Pretraining sees all training scenes without their labels. Fine-tuning
    gets the labels of {len(few['images'])} scenes,
    {len(few['annotations'])} objects.
    """
    body = (
        page.paragraphs(text)
        + demo.command('scenes')
        + page.figure(
            page.image_uri(scenes_picture(demo.data, train)),
            'What pretraining sees: scenes without labels.',
        )
        + page.figure(
            page.image_uri(labels_picture(demo.data, few)),
            'What fine-tuning gets: a few scenes with masks, boxes, classes.',
        )
    )
    title = 'Scenes: many pictures, few labels'
    return Section(title, 'scenes', ('scenes',), body)


def proposals_section(demo: Demo) -> Section:
    """Selective search."""
    store = ProposalStore(demo.data / 'proposals.arrow')
    boxes = sum(len(store[i].bboxes) for i in range(len(store)))
    size = (demo.data / 'proposals.arrow').stat().st_size
    text = f"""
    Where could objects be? Selective search cuts an image into regions of
    even colour and merges the most alike, again and again; each region on
    the way proposes a box. Boxes of fitting size and shape are kept. It
    needs no training and no label, and finds some objects, parts of objects
    and pieces of background alike.

    {boxes:,} boxes on {len(store)} images, {boxes / len(store):.1f} per
    image, in a file of {size / len(store):,.0f} bytes per image.
    """
    body = (
        page.paragraphs(text)
        + demo.command('proposals')
        + page.figure(
            page.image_uri(proposals_picture(demo.data, store)),
            'All proposals of four scenes.',
        )
    )
    title = 'Proposals: where objects could be'
    return Section(title, 'proposals', ('proposals',), body)


def pretraining_section(demo: Demo, config: Path) -> Section:
    """SoCo itself."""
    scalars = page.read_scalars(demo.work / 'pretraining')
    loss = page.series(scalars, 'loss')
    std = page.series(scalars, 'embedding_std')
    speed = page.series(scalars, 'images_per_s')
    text = f"""
    Each image is shown to the network as three views: the whole image and two
    random crops, each with other colours. The same proposal is found in two
    views, its features are pooled from the level of the feature pyramid that
    fits its size, and the online network learns to predict what the target
    network, its slowly following copy, says of the same object in the other
    view. So backbone, FPN and box head learn together what an object looks
    like, at any size and place, without a label.

    The loss went from {loss.values[0]:.2f} to {loss.values[-1]:.2f} (the
    least possible is -8), at {np.mean(speed.values):.1f} images per second.
    The spread of the embeddings ended at {std.values[-1]:.2f}: 1 is even in
    all directions, 0 would be a collapse, one answer to everything.
    """
    body = (
        page.paragraphs(text)
        + demo.command('pretraining')
        + page.figure(
            page.image_uri(views_picture(config, demo.data)),
            'Views of two scenes. Boxes of one colour are the same proposal '
            'in both views; their labels are the pyramid levels they are '
            'pooled from.',
        )
        + page.figure(_curves_uri(pretraining_panels(scalars)), (
            'Loss by pair of views; spread of the embeddings and cosine of '
            'corresponding ones; share of the old target kept in an update.'
        ))
    )  # fmt: skip
    title = 'Pretraining: the same object in two views'
    return Section(title, 'pretraining', ('pretraining',), body)


def pretraining_panels(scalars: list[dict]) -> list[page.Panel]:
    """Loss and gauges of the pretraining."""
    pairs = sorted(name for name in scalars[0] if name.startswith('loss_'))
    return [
        page.Panel(
            'loss',
            [
                page.series(scalars, name, f'views {name[-2]} and {name[-1]}')
                for name in pairs
            ],
        ),
        page.Panel(
            'gauges',
            [
                page.series(scalars, 'embedding_std', 'spread'),
                page.series(scalars, 'pair_cosine', 'cosine of pairs'),
            ],
            y_range=(0, 1.05),
        ),
        page.Panel(
            'target momentum', [page.series(scalars, 'target_momentum')]
        ),
    ]


def _curves_uri(panels: Sequence[page.Panel]) -> str:
    return page.data_uri(page.draw_curves(panels), 'image/svg+xml')


def export_section(demo: Demo) -> Section:
    """Weights for mmdet."""
    text = """
    The target network, projector and predictor have done their work. What
    remains carries mmdet's own names for backbone, neck and box head: a plain
    file of tensors that mmdet loads key by key.
    """
    log = (demo.work / 'logs' / 'export.log').read_text()
    body = (
        page.paragraphs(text) + demo.command('export') + page.preformatted(log)
    )
    title = 'Export: weights that mmdet loads'
    return Section(title, 'export', ('export',), body)


def finetuning_section(demo: Demo) -> Section:
    """The two trainings."""
    text = """
    Mask R-CNN is trained twice on the few labels: once from the pretrained
    weights, once from scratch. The two configs differ by one line, where the
    weights come from; detector, data, schedule and seed are the same. On
    loading, a report tells per part what arrived. RPN, mask head and the last
    layers of the box head are new in both: they have nothing to learn without
    labels.
    """
    runs = {PRETRAINED: 'finetuning', FROM_SCRATCH: 'scratch'}
    scalars = {
        label: page.read_scalars(demo.work / name)
        for label, name in runs.items()
    }
    panels = [
        page.Panel(
            title,
            [page.series(s, name, label) for label, s in scalars.items()],
        )
        for title, name in (
            ('loss', 'loss'),
            ('loss of the class', 'loss_cls'),
            ('loss of the mask', 'loss_mask'),
        )
    ]
    table = load_report(demo.work / 'logs' / 'finetuning.log')
    body = (
        page.paragraphs(text)
        + demo.command('finetuning', 'scratch')
        + (page.preformatted(table) if table else '')
        + page.figure(
            _curves_uri(panels),
            'Training losses under the same schedule.',
        )
    )
    title = 'Fine-tuning: the same training from two starts'
    return Section(title, 'fine-tuning', ('finetuning', 'scratch'), body)


def load_report(log: Path) -> str:
    """Takes the table of loaded tensors out of a training's log."""
    lines = log.read_text().splitlines()
    starts = [i for i, line in enumerate(lines) if 'Tensors by part' in line]
    if not starts:
        return ''
    table = []
    for line in lines[starts[-1] + 1 :]:
        # a part and its four counts, below a line of headings
        if table and not re.fullmatch(r'\w+(\s+\d+){4}', line.strip()):
            break
        table.append(line)
    return '\n'.join(table)


def evaluation_section(demo: Demo) -> Section:
    """Numbers and pictures of both detectors."""
    tests = {FROM_SCRATCH: 'test_scratch', PRETRAINED: 'test_finetuning'}
    columns = {
        'box AP': 'coco/bbox_mAP',
        'box AP50': 'coco/bbox_mAP_50',
        'mask AP': 'coco/segm_mAP',
        'mask AP50': 'coco/segm_mAP_50',
    }
    rows = [
        [
            label,
            *(percent(demo.metrics(name)[key]) for key in columns.values()),
        ]
        for label, name in tests.items()
    ]
    text = """
    COCO's average precision (AP) on the validation scenes, in percent, as
    measured in this run: 100 would be every object found, outlined and named
    without a false alarm; AP50 is content with half of the outline. One run
    of one seed on a tiny made-up data set: it shows that the job works from
    end to end, not how good SoCo is.
    """
    picture = detections_picture(
        demo.data,
        demo.annotations('val'),
        [demo.work / name / 'detections.segm.json' for name in tests.values()],
    )
    body = (
        page.paragraphs(text)
        + demo.command('test_finetuning', 'test_scratch')
        + page.table(['start', *columns], rows, strong=1)
        + page.figure(
            page.image_uri(picture),
            'Left: what is there. Middle: the detector from scratch. Right: '
            'the pretrained one. Detections with a score above 0.3, the best '
            'of those on one place.',
        )
    )
    title = 'Evaluation: both detectors on unseen photographs'
    return Section(title, 'evaluation', tuple(tests.values()), body)


def percent(value: float) -> str:
    """An average precision as papers print it; COCO's -1 is "none"."""
    return 'none' if value < 0 else f'{100 * value:.1f}'


def own_images_section() -> Section:
    """The same job by hand."""
    text = """
    The same commands do the job on your own folder of images; the README
    tells what to set for your classes.
    """
    commands = """\
mmsoco pretrain IMAGES --out out
mmsoco finetune out --train train.json --train-images IMAGES \\
    --val val.json --val-images VAL_IMAGES"""
    body = page.paragraphs(text) + page.preformatted(commands)
    return Section('Your own images', 'own images', (), body)


def overview(demo: Demo, sections: Sequence[Section]) -> str:
    """Title, main numbers and timeline."""
    ours = demo.metrics('test_finetuning')
    scratch = demo.metrics('test_scratch')
    total = sum(record.seconds for record in demo.records.values())
    numbers = [
        (percent(ours['coco/bbox_mAP']), f'box AP (%), {PRETRAINED}'),
        (percent(scratch['coco/bbox_mAP']), f'box AP (%), {FROM_SCRATCH}'),
        (str(len(demo.annotations('train_few')['images'])), 'labelled scenes'),
        (f'{total / 60:.1f} min', 'for the whole job'),
    ]
    times = [
        page.StepTime(section.short, demo.seconds(*section.steps), anchor)
        for anchor, section in ((anchor_of(s), s) for s in sections)
        if section.steps
    ]
    lead = """
    SoCo pretrains a detector on pictures without labels. This page tells one
    run of the whole job, from a folder of pictures to two trained detectors,
    with the command of each step.
    """
    return (
        '<h1>From unlabelled pictures to a detector</h1>'
        + page.paragraphs(lead).replace('<p>', '<p class="lead">')
        + page.tiles(numbers, strong=0)
        + page.timeline(times)
    )


def anchor_of(section: Section) -> str:
    """Id of a section in the page."""
    return section.short.replace(' ', '-')


def footer(demo: Demo) -> str:
    """Machine, versions, date, and what the job took."""
    cpu = sum(record.cpu_seconds for record in demo.records.values())
    peak = max(record.peak_mib for record in demo.records.values())
    rows = [
        *describe_machine(),
        ('CPU time', f'{cpu:.0f} s in all processes'),
        ('memory', f'{peak:.0f} MiB in the largest process'),
    ]
    return f'<footer>{page.table(("", ""), rows)}</footer>'


def build_report(demo: Demo, config: Path) -> str:
    """Puts the report together, as HTML."""
    sections = [
        scenes_section(demo),
        proposals_section(demo),
        pretraining_section(demo, config),
        export_section(demo),
        finetuning_section(demo),
        evaluation_section(demo),
        own_images_section(),
    ]
    body = overview(demo, sections)
    for number, section in enumerate(sections, start=1):
        took = demo.seconds(*section.steps)
        body += page.section(
            section.title,
            section.body,
            number,
            anchor_of(section),
            f'{took:.0f} s' if section.steps else '',
        )
    return body + footer(demo)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
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
    """Writes the report."""
    args = parse_args(argv)
    demo = Demo(args.data, args.work, read_records(args.work))
    try:
        body = build_report(demo, args.config)
    except FileNotFoundError as error:
        sys.exit(f'report: {error}; run `mmsoco demo` first')
    page.write_page(args.out, 'mmsoco: the demo', body)
    print(args.out)


if __name__ == '__main__':
    main()
