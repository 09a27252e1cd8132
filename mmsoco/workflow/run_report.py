"""The pages that describe a pretraining and its fine-tunings."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmsoco.proposals.filters import FilterSpec
from mmsoco.proposals.store import ProposalStore
from mmsoco.utils.durations import describe_time
from mmsoco.utils.files import read_json
from mmsoco.utils.machine import describe_machine
from mmsoco.visualization import curves, logs
from mmsoco.visualization import detections as drawing
from mmsoco.visualization import report as page
from mmsoco.workflow.filter_choice import describe_filter
from mmsoco.workflow.finetune_summary import explain
from mmsoco.workflow.labels import count_boxes, median_side
from mmsoco.workflow.run_folder import (
    PRETRAINING,
    as_options,
    find_manifests,
    read_manifest,
)
from mmsoco.workflow.settings import (
    LEAST_STEPS,
    counted,
    next_command,
)

_TITLES = {
    'proposals': 'proposals',
    'look': 'look',
    'pretrain': 'training',
    'export': 'export',
}
_KINDS = {'box': 'bbox', 'mask': 'segm'}


def write_run_report(path: Path) -> None:
    """Write ``report.html`` of a pretraining.

    Args:
        path: The run's folder.

    Raises:
        FileNotFoundError: If a step that the page shows is not done.
        OSError: If it could not be written.
    """
    manifest = read_manifest(path / 'manifest.json', PRETRAINING)
    plan = manifest['plan']
    scalars = logs.read_scalars(path / 'checkpoints')
    steps = plan['epochs'] * plan['steps_per_epoch']
    finetunings = [
        describe_finetuning(folder)
        for folder in find_manifests(path, 'fine-tuning', 'evaluate')
    ]
    seconds = {name: _seconds(manifest, name) for name in _TITLES}
    proposals = _proposals(path / 'proposals.arrow')
    page.write_page(
        path / 'report.html',
        'pretraining.html',
        title=f'mmsoco: {path.absolute().name}',
        detector=plan['detector'],
        folder=Path(manifest['images']['folder']).name,
        images=manifest['images']['folder'],
        finetunings=finetunings,
        short=steps < LEAST_STEPS,
        steps=counted(steps, 'step'),
        least_steps=LEAST_STEPS,
        tiles=_tiles(
            manifest, proposals['images'], scalars, steps, finetunings
        ),
        times=[
            page.StepTime(title, seconds[name], name)
            for name, title in _TITLES.items()
        ],
        seconds=seconds,
        proposals=proposals,
        filter=_filter(manifest),
        went=logs.summarize(scalars),
        started=logs.read_load_reports(path / 'checkpoints'),
        pictures=dict(
            proposals=page.file_uri(path / 'look' / 'proposals.jpg'),
            views=page.file_uri(path / 'look' / 'views.jpg'),
            curves=page.curves_uri(curves.pretraining_panels(scalars)),
        ),
        probe=manifest.get('probe'),
        settings=_settings(manifest),
        exported=list(manifest['exported'].items()),
        next_command=next_command(
            path, manifest['images']['folder'], manifest.get('labels')
        ),
        machine=describe_machine(),
    )


def write_finetune_report(path: Path) -> None:
    """Write ``report.html`` of a fine-tuning.

    Args:
        path: The folder of the fine-tuning.

    Raises:
        FileNotFoundError: If a step that the page shows is not done.
        OSError: If it could not be written.
    """
    run = describe_finetuning(path)
    values = dict(
        zip(run['metrics']['header'], run['metrics']['rows'][0], strict=True)
    )
    page.write_page(
        path / 'report.html',
        'finetuning.html',
        title=f'mmsoco: {path.absolute().name}',
        run=run,
        tiles=[
            (values['AP'], 'box AP (%)'),
            (values['AP50'], 'box AP50 (%)'),
            (str(run['pictures']), 'labeled pictures'),
            (describe_time(run['seconds']), 'of training'),
        ],
        machine=describe_machine(),
    )


def describe_finetuning(path: Path) -> dict[str, Any]:
    """Return the values that a page shows about a fine-tuning.

    Args:
        path: Its folder, with the evaluation done.
    """
    manifest = read_manifest(path / 'manifest.json', 'fine-tuning')
    train, val = (
        json.loads((path / f'{name}.json').read_text(encoding='utf-8'))
        for name in ('train', 'val')
    )
    done = manifest['steps']['finetune']
    metrics = manifest['metrics']
    counts = count_boxes(train)
    scalars = logs.read_scalars(path / 'checkpoints')
    return dict(
        title=f'Fine-tuning: {path.name}',
        anchor=path.name,
        seconds=done['seconds'],
        pictures=len(train['images']),
        boxes=sum(counts.values()),
        epochs=counted(done['epochs'], 'epoch'),
        steps=counted(done['steps'], 'step'),
        start=done.get('start', ''),
        judged=len(val['images']),
        metrics=_metrics_table(metrics),
        classes=[
            (name, boxes, page.percent(metrics.get(f'{name}_precision', -1)))
            for name, boxes in counts.items()
        ],
        remarks=explain(
            metrics['bbox_mAP'], counts, done['steps'], median_side(val)
        ),
        loaded=logs.read_load_reports(path / 'checkpoints'),
        curves=page.curves_uri(_losses(scalars)),
        **_detections(path, val, Path(manifest['val_images'])),
    )


def _metrics_table(metrics: Mapping[str, float]) -> dict[str, Any]:
    columns = {
        'AP': 'mAP',
        'AP50': 'mAP_50',
        'AP75': 'mAP_75',
        'small': 'mAP_s',
        'medium': 'mAP_m',
        'large': 'mAP_l',
    }
    rows = [
        [name, *(page.percent(metrics[f'{k}_{c}']) for c in columns.values())]
        for name, k in _KINDS.items()
        if f'{k}_mAP' in metrics
    ]
    return dict(header=['', *columns], rows=rows)


def _losses(scalars: list[dict]) -> list[curves.Panel]:
    names = {
        'loss': 'loss',
        'loss of the class': 'loss_cls',
        'loss of the box': 'loss_bbox',
    }
    panels = [
        curves.Panel(title, [curves.series(scalars, name)])
        for title, name in names.items()
    ]
    return [panel for panel in panels if panel.curves[0].values]


def _detections(
    path: Path, document: Mapping[str, Any], images: Path
) -> dict[str, Any]:
    found = read_json(path / 'detections.bbox.json')
    judged = drawing.judge(document, found)
    threshold = drawing.best_threshold(judged)
    names = {c['id']: c['name'] for c in document['categories']}
    picture = drawing.draw_detections(judged, names, images, threshold)
    text = (
        f'Detections with a score of {threshold:.2f} or more, the threshold '
        'with the best F1 on these pictures.'
    )
    if threshold >= 1:
        text = 'No detection is right at any score, so none is drawn.'
    return dict(
        detections=page.image_uri(picture),
        legend=[('rgb({}, {}, {})'.format(*c), t) for c, t in drawing.KEYS],
        threshold=text,
    )


def _seconds(manifest: Mapping[str, Any], step: str) -> float:
    """Return the seconds of a step; 0 for one that is being made."""
    return manifest['steps'].get(step, {}).get('seconds', 0.0)


def _tiles(
    manifest: Mapping[str, Any],
    pictures: int,
    scalars: list[dict],
    steps: int,
    finetunings: list[dict[str, Any]],
) -> list[tuple[str, str]]:
    labels = 'no label used'
    if 'check' in manifest['settings']:
        labels = 'labels only for the filter and the probe'
    tiles = [
        (f'{pictures:,}', f'pictures, {labels}'),
        (f'{steps:,}', 'steps'),
        (f'{logs.summarize(scalars)["last"]:.2f}', 'last loss'),
        (describe_time(_seconds(manifest, 'pretrain')), 'of training'),
    ]
    for run in finetunings[:2]:
        ap = run['metrics']['rows'][0][1]
        tiles.append((ap, f'box AP (%), {run["anchor"]}'))
    return tiles


def _proposals(path: Path) -> dict[str, Any]:
    store = ProposalStore(path)
    return dict(
        images=len(store),
        boxes=store.metadata['boxes'] / max(len(store), 1),
        unreadable=[
            entry['file_name']
            for entry in store.metadata.get('unreadable', [])
        ],
    )


def _filter(manifest: Mapping[str, Any]) -> dict[str, Any] | None:
    found = manifest.get('filter')
    if found is None:  # the user's own proposals
        return None
    return dict(found, text=describe_filter(FilterSpec(**found['spec'])))


def _settings(manifest: Mapping[str, Any]) -> list[tuple[str, Any]]:
    plan = manifest['plan']
    return [
        ('detector', plan['detector']),
        (
            'epochs',
            f'{plan["epochs"]} of {counted(plan["steps_per_epoch"], "step")}',
        ),
        ('batch', f'{plan["batch_size"]} pictures per device'),
        ('precision', plan['precision']),
        ('threads', plan['threads'] or 'left to torch'),
        ('first view', f'{plan["view_size"]} pixels'),
        *(
            (option, describe_time(value) if option == '--time' else value)
            for option, value in as_options(manifest['settings']).items()
        ),
    ]
