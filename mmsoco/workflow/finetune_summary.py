"""Describe the labels and the results of `mmsoco finetune`."""

from collections.abc import Mapping
from typing import Any

from mmsoco.datasets.labels import Labels
from mmsoco.visualization.report import percent
from mmsoco.workflow.console import Console
from mmsoco.workflow.labels import count_boxes, median_side, pictures_of
from mmsoco.workflow.settings import counted

# Below this AP (of 1), the detector finds almost nothing.
_NEAR_ZERO = 0.02
# Fewest boxes to learn a class, and fewest steps to train a detection head.
_FEW_BOXES = 10
_FEW_STEPS = 1000
# COCO's limit of small objects, side in pixels.
_SMALL = 32


def show_labels(
    console: Console, document: Mapping[str, Any], train: Labels, val: Labels
) -> None:
    """Describe the labels, with repairs and remarks.

    Args:
        console: Gets the lines.
        document: The labels to train on, of ``train`` or drawn from it.
        train: The training labels.
        val: The validation labels.
    """
    counts = count_boxes(document)
    shown = ', '.join(f'{name} {n}' for name, n in counts.items())
    number = '1 class' if len(counts) == 1 else f'{len(counts)} classes'
    console.step(
        1,
        'labels',
        f'{counted(len(document["images"]), "picture")}, '
        f'{sum(counts.values())} boxes'
        f'{" with masks" if train.has_masks else ""} of {number} '
        f'({shown}); {len(val.document["images"])} validation pictures',
    )
    for labels in (train, val):
        if len(labels.problems):
            console.line(f'{labels.path}:\n{labels.problems}')
    few = [name for name, n in counts.items() if n < _FEW_BOXES]
    if few:
        console.detail(
            'note',
            f'classes with fewer than {_FEW_BOXES} training boxes: '
            f'{", ".join(few)}',
        )
    again = pictures_of(document, train.images) & pictures_of(
        val.document, val.images
    )
    if again:
        console.detail(
            'note',
            f'{len(again)} of the validation pictures are also training '
            'pictures, so the AP says little about new pictures; give labels '
            'of other pictures with --val',
        )


def show_metrics(
    console: Console,
    metrics: Mapping[str, float],
    has_masks: bool,
    *,
    train: Mapping[str, Any],
    val: Mapping[str, Any],
    steps: int,
) -> None:
    """Describe the trained detector: AP, AP of each class, likely reasons.

    Args:
        console: Gets the lines.
        metrics: COCO's metrics by name, from 0 to 1.
        has_masks: Whether they include those of masks.
        train: The document that was trained on.
        val: The document that was evaluated on.
        steps: Steps of the training.
    """
    kinds = {'bbox': 'box'} | ({'segm': 'mask'} if has_masks else {})
    shown = ', '.join(
        f'{name} AP {percent(metrics[f"{kind}_mAP"])} '
        f'(AP50 {percent(metrics[f"{kind}_mAP_50"])})'
        for kind, name in kinds.items()
    )
    console.step(3, 'evaluate', shown)
    counts = count_boxes(train)
    for name, boxes in counts.items():
        value = metrics.get(f'{name}_precision', -1)
        console.detail(
            'class',
            f'{name}: AP {percent(value)}, {boxes} boxes to learn from',
        )
    side = median_side(val)
    for remark in explain(metrics['bbox_mAP'], counts, steps, side):
        console.detail('note', remark)


def explain(
    ap: float, boxes: Mapping[str, int], steps: int, side: float
) -> list[str]:
    """Say why an AP may be near 0; nothing if it is higher.

    Args:
        ap: Box AP, 0 to 1.
        boxes: Boxes to learn from, by class.
        steps: Steps of the training.
        side: Median of sqrt(area) of the objects, pixels.
    """
    if ap >= _NEAR_ZERO:
        return []
    reasons = []
    if steps < _FEW_STEPS:
        reasons.append(
            f'the training had {steps} steps, but a detection head needs a '
            'few thousand (--epochs)'
        )
    few = [f'{name} ({n})' for name, n in boxes.items() if n < _FEW_BOXES]
    if few:
        reasons.append(f'classes with few boxes: {", ".join(few)}')
    total = sum(boxes.values())
    if total < _FEW_BOXES * 10:
        reasons.append(f'there are only {total} training boxes')
    if 0 < side < _SMALL:
        reasons.append(
            f'the objects are small (median side {side:.0f} pixels, COCO '
            f'calls less than {_SMALL} small)'
        )
    if not reasons:
        reasons.append(
            'none is obvious: look at the detections in the report, and at '
            'the loss in logs/finetune.log'
        )
    return ['an AP near 0. Likely reasons: ' + '; '.join(reasons)]
