"""Measure proposals on labeled objects: `mmsoco recall`."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmsoco.datasets.label_checks import check_labels
from mmsoco.datasets.label_reading import read_labels
from mmsoco.evaluation.proposal_recall import (
    NUMBERS,
    THRESHOLDS,
    Overlaps,
    PictureObjects,
    curve_numbers,
    measure_overlaps,
    tabulate,
)
from mmsoco.images.opening import ImageFolder
from mmsoco.proposals.store import ProposalStore
from mmsoco.structures.boxes import box_iou
from mmsoco.utils.files import atomic_path, write_json, write_text
from mmsoco.utils.problems import table
from mmsoco.visualization.browse import images_of
from mmsoco.visualization.curves import Curve, Panel, draw_curves
from mmsoco.visualization.missed import FoundObjects, draw_missed
from mmsoco.visualization.report import percent
from mmsoco.visualization.sheets import save_picture
from mmsoco.workflow.filter_choice import COVERED_IOU
from mmsoco.workflow.labels import boxes_by_picture
from mmsoco.workflow.recall_advice import advise


@dataclass(frozen=True, eq=False)
class RecallReport:
    """The result of a measurement.

    Attributes:
        image_root: Folder of the pictures.
        pictures: Labeled pictures of the store, with their objects.
        own: Overlaps of the store's boxes.
        random: Overlaps of as many boxes of the same sizes at random places.
        ranked: Whether the store's boxes come best first.
        notes: Remarks about the input, a line each.
        advice: What to do, a line each.
    """

    image_root: Path
    pictures: Sequence[PictureObjects]
    own: Overlaps
    random: Overlaps
    ranked: bool
    notes: Sequence[str]
    advice: Sequence[str]

    def text(self) -> str:
        """Return the tables, notes and advice."""
        counts = [len(record.bboxes) for record, _ in self.pictures]
        order = 'best first' if self.ranked else 'in a random order'
        lines = [
            *self.notes,
            f'{len(self.own.areas)} objects of {len(self.pictures)} pictures, '
            f'{np.median(counts):.0f} boxes per picture (median), {order}',
            'average recall over IoU 0.5 to 0.95 in percent, by number of '
            'boxes, and the same for randomly placed boxes',
            _layout(self.table(), 'average_recall'),
            'recall at IoU 0.5 in percent, in the same way',
            _layout(self.table(), 'recall_50'),
            'best overlap of an object (mean IoU): '
            f'{self.own.best[:, -1].mean():.2f}, of random boxes '
            f'{self.random.best[:, -1].mean():.2f}',
            *self.advice,
        ]
        return '\n'.join(lines)

    def table(self) -> dict[str, dict]:
        """Return the numbers by size of the objects, see `tabulate`."""
        return tabulate(self.own, self.random)

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers as plain values."""
        return dict(
            pictures=len(self.pictures),
            boxes=int(sum(len(r.bboxes) for r, _ in self.pictures)),
            ranked=self.ranked,
            thresholds=THRESHOLDS.round(2).tolist(),
            sizes=self.table(),
            curve=[
                dict(
                    boxes=number,
                    average_recall=self.own.average_recall(number),
                    random=self.random.average_recall(number),
                )
                for number in self.own.numbers
            ],
            notes=list(self.notes),
            advice=list(self.advice),
        )


def _layout(found: Mapping[str, dict], measure_name: str) -> str:
    """Tabulate one of the measures."""
    names = [*map(str, NUMBERS), 'all']
    headings = ('objects', 'count', *names)
    headings += tuple(f'random {name}' for name in names)
    rows = []
    for size, row in found.items():
        values = [row[of][measure_name][n] for of in ('boxes', 'random')
                  for n in names]  # fmt: skip
        shown = ('-' if v is None else percent(v) for v in values)
        rows.append((size, row['objects'], *shown))
    return table(headings, rows)


def measure_recall(
    store_path: str | os.PathLike,
    labels_path: str | os.PathLike,
    image_root: str | os.PathLike | None = None,
    seed: int = 0,
) -> RecallReport:
    """Measure the proposals of a store on labeled objects.

    Args:
        store_path: The store.
        labels_path: COCO-style JSON, or a data set in VOC layout.
        image_root: Folder of the pictures; by default the store names it.
        seed: Seed of the order of boxes without an order, and of random
            places.

    Raises:
        FileNotFoundError: A file or the folder is not there.
        ValueError: The labels cannot be used, or none of their pictures is
            in the store.
    """
    store = ProposalStore(store_path)
    root = _folder_of(store, Path(image_root) if image_root else None)
    labels = read_labels(labels_path, root, partial=True)
    check_labels(labels)
    boxes = boxes_by_picture(labels.document)
    pictures, notes = _labelled_pictures(store, boxes, labels_path)
    if len(labels.problems):
        notes.append(str(labels.problems))
    own, random = _own_and_random(store, pictures, seed)
    advice = advise(store, root, pictures, own)
    return RecallReport(
        root, pictures, own, random, _is_ranked(store), notes, advice
    )


def compare_with_random(
    store_path: str | os.PathLike,
    labels_path: str | os.PathLike,
    image_root: str | os.PathLike,
) -> tuple[float, float]:
    """Return the recall of all boxes of a store at an IoU of 0.5.

    Args:
        store_path: The store.
        labels_path: See `measure_recall`.
        image_root: Folder of the pictures.

    Returns:
        It, and that of as many boxes of the same sizes at random places.

    Raises:
        ValueError: If none of the labeled pictures is in the store.
    """
    store = ProposalStore(store_path)
    labels = read_labels(labels_path, image_root, partial=True)
    boxes = boxes_by_picture(labels.document)
    pictures, _ = _labelled_pictures(store, boxes, labels_path)
    recalls = [
        overlaps.recall(overlaps.numbers[-1], COVERED_IOU)
        for overlaps in _own_and_random(store, pictures, seed=0)
    ]
    # Each picture has objects, so the recalls are defined.
    assert recalls[0] is not None and recalls[1] is not None
    return recalls[0], recalls[1]


def _own_and_random(
    store: ProposalStore, pictures: Sequence[PictureObjects], seed: int
) -> tuple[Overlaps, Overlaps]:
    """Measure a store's boxes, and as many boxes at random places."""
    most = max(len(record.bboxes) for record, _ in pictures)
    numbers, ranked = curve_numbers(most), _is_ranked(store)
    return (
        measure_overlaps(pictures, numbers, ranked, False, seed),
        measure_overlaps(pictures, numbers, ranked, True, seed),
    )


def _is_ranked(store: ProposalStore) -> bool:
    """Return whether a store's boxes come best first."""
    return 'detector' in (store.metadata.get('search') or {})


def _folder_of(store: ProposalStore, image_root: Path | None) -> Path:
    """Return the folder of a store's pictures.

    Raises:
        ValueError: If they are in a tar file or in a storage backend.
    """
    source = images_of(store, image_root)
    if not isinstance(source, ImageFolder):
        raise ValueError(
            f'the pictures of {str(store.path)!r} are in {source.address}, '
            'and labels are read for pictures of a folder: unpack the '
            'labeled ones, and name their folder with --image-root'
        )
    return Path(source.root)


def _labelled_pictures(
    store: ProposalStore,
    boxes: Mapping[str, np.ndarray],
    labels_path: str | os.PathLike,
) -> tuple[list[PictureObjects], list[str]]:
    """Join the labels with the store; return notes about mismatches."""
    pictures, missing = [], []
    for name in sorted(boxes):
        try:
            record = store[store.index_of(name)]
        except KeyError:
            missing.append(name)
        else:
            pictures.append(PictureObjects(record, boxes[name]))
    if not pictures:
        raise ValueError(
            f'none of the {len(missing)} labeled pictures of '
            f'{str(labels_path)!r}, such as {missing[0]!r}, is in the store '
            f'{str(store.path)!r}, whose {len(store)} names are such as '
            f'{store.file_name(0)!r}: name labels of the pictures that the '
            'proposals were made from'
        )
    if not missing:
        return pictures, []
    return pictures, [
        f'note: {len(missing)} of {len(boxes)} labeled pictures are not in '
        f'the store and are left out, such as {missing[0]}'
    ]


def write_recall(report: RecallReport, out: str | os.PathLike) -> list[Path]:
    """Write tables, curve and pictures of a report.

    Args:
        report: The report.
        out: Folder to write to.

    Returns:
        The files: ``recall.txt``, ``recall.json``, ``objects.json`` (each
        object with its best overlap), ``curve.svg`` and, where objects are
        missed, ``missed.jpg``.

    Raises:
        OSError: A file could not be written.
        UnreadableImageError: A picture cannot be read.
    """
    out = Path(out)
    found = [_find(picture) for picture in report.pictures]
    files = [out / n for n in ('recall.txt', 'recall.json', 'objects.json')]
    write_text(files[0], report.text() + '\n')
    write_json(files[1], report.as_dict(), indent=1)
    write_json(files[2], _list_objects(found))
    files.append(out / 'curve.svg')
    with atomic_path(files[-1]) as partial:
        partial.write_bytes(_draw_curve(report))
    missed = draw_missed(found, report.image_root, COVERED_IOU)
    if missed is not None:
        files.append(out / 'missed.jpg')
        save_picture(missed, files[-1])
    return files


def _find(picture: PictureObjects) -> FoundObjects:
    """Find the box that overlaps each object most."""
    record, objects = picture
    nearest = np.zeros((len(objects), 4))
    overlaps = np.zeros(len(objects))
    if len(record.bboxes):
        ious = box_iou(objects, record.bboxes)
        overlaps = ious.max(axis=1)
        nearest = record.bboxes[ious.argmax(axis=1)] * (overlaps > 0)[:, None]
    return FoundObjects(record.file_name, objects, nearest, overlaps)


def _list_objects(found: Sequence[FoundObjects]) -> list[dict[str, Any]]:
    """List the objects with their boxes (x, y, w, h) and best overlaps."""
    entries = []
    for picture in found:
        for box, overlap in zip(
            picture.objects, picture.overlaps, strict=True
        ):
            corner, sides = box[:2], box[2:] - box[:2]
            entries.append(
                dict(
                    file_name=picture.file_name,
                    bbox=np.hstack([corner, sides]).round(2).tolist(),
                    best_overlap=round(float(overlap), 4),
                )
            )
    return entries


def _draw_curve(report: RecallReport) -> bytes:
    """Draw the recalls over the number of boxes, as SVG."""
    sources = (('proposals', report.own), ('random places', report.random))
    numbers = report.own.numbers
    panels = []
    for title, recall in (
        ('average recall, IoU 0.5 to 0.95', Overlaps.average_recall),
        ('recall at IoU 0.5', Overlaps.recall),
    ):
        curves = []
        for name, overlaps in sources:
            values = [recall(overlaps, n) for n in numbers]
            # The recall is None without objects, but then there is no report.
            known = [value for value in values if value is not None]
            curves.append(Curve(name, numbers, known))
        panels.append(Panel(title, curves, 'boxes of a picture', (0, 1)))
    return draw_curves(panels)
