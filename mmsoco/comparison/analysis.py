"""Compute the numbers of a report from the records of a plan."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmsoco.utils.files import read_json

from . import statistics
from .cells import FINETUNING, PROBE, pretraining_name
from .records import Record, find_record, record_path
from .results import ProbeRow, Results, Row, longer_reference

PLAN_FILE = 'plan.json'
IMAGE_LEVEL = 'image-level'
# Each method has its own loss, whose values cannot be compared with those of
# other methods.
_NOT_COMPARABLE = ('loss',)


@dataclass(frozen=True)
class Correlation:
    """The correlation of a gauge with AP, over starts.

    Attributes:
        gauge: Name of the gauge.
        labels: Labeled pictures of the fine-tunings.
        cells: Number of pretrainings with a gauge and an AP.
        starts: Number of starts that they belong to.
        value: Spearman's rank correlation; None for too few cells.
    """

    gauge: str
    labels: int
    cells: int
    starts: int
    value: float | None


def read_results(folder: Path) -> Results:
    """Read the records of a folder and compare its starts.

    Args:
        folder: Folder with ``plan.json`` and a record per cell.

    Returns:
        The results.

    Raises:
        FileNotFoundError: If there is no ``plan.json``.
        ValueError: If a file is damaged.
    """
    if not (folder / PLAN_FILE).is_file():
        raise FileNotFoundError(
            f'{folder} has no {PLAN_FILE}: expected the folder of the '
            'records of `mmsoco compare`'
        )
    content = read_json(folder / PLAN_FILE)
    records = {}
    for cell in content['cells']:
        record = find_record(folder, cell['name'], cell['fingerprint'])
        if record is not None:
            records[cell['name']] = record
    rows = _rows(content, records)
    best = {}
    starts = content['plan']['starts']
    for budget in content['plan']['budgets']:
        labels = budget['labels']
        here = [row for row in rows if row.labels == labels]
        best[labels] = best_image_level(here)
        others = dict(
            to_scratch=starts[0]['name'],
            to_best=best[labels],
            to_longer=longer_reference(starts),
        )
        _compare(here, others)
    return Results(content, rows, best, _probes(content, records))


def _probes(content: dict, records: Mapping[str, Record]) -> list[ProbeRow]:
    """Gather the probes into rows, in the order of the starts."""
    rows = {s['name']: ProbeRow(s) for s in content['plan']['starts']}
    for cell in content['cells']:
        if cell['kind'] != PROBE:
            continue
        row = rows[cell['start']]
        row.planned += 1
        record = records.get(cell['name'])
        if record and record.status == 'done':
            row.records[cell['seed']] = record
        elif record:
            row.failures.append(f'{record.cell}: {record.error}')
    return [row for row in rows.values() if row.planned]


def _rows(content: dict, records: Mapping[str, Record]) -> list[Row]:
    """Gather the cells into rows, in the order of budgets and starts."""
    plan = content['plan']
    rows = {
        (start['name'], budget['labels']): Row(start, budget['labels'])
        for budget in sorted(plan['budgets'], key=lambda b: b['labels'])
        for start in plan['starts']
    }
    for cell in content['cells']:
        if cell['kind'] != FINETUNING:
            continue
        row = rows[cell['start'], cell['labels']]
        row.planned += 1
        owner = row.start['pretrained_by'] or cell['start']
        pretraining = records.get(pretraining_name(owner, cell['seed']))
        for record in (pretraining, records.get(cell['name'])):
            if record is not None and record.status == 'failed':
                row.failures.append(f'{record.cell}: {record.error}')
        if pretraining and pretraining.status == 'done':
            row.pretrainings[cell['seed']] = pretraining
        record = records.get(cell['name'])
        if record and record.status == 'done':
            row.records[cell['seed']] = record
    return [row for row in rows.values() if row.planned]


def best_image_level(rows: Sequence[Row]) -> str:
    """Return the image-level method of the highest mean AP.

    Only methods with as many cells as the most complete one are compared.
    Choosing the best of several favors it slightly, which makes SoCo's
    difference to it conservative.

    Returns:
        Its name; empty if none has a finished cell.
    """
    methods = [
        row for row in rows if row.start['kind'] == IMAGE_LEVEL and row.records
    ]
    if not methods:
        return ''
    most = max(len(row.records) for row in methods)
    means = {
        row.start['name']: row.summary.mean
        for row in methods
        if row.summary and len(row.records) == most
    }
    return max(means, key=means.__getitem__)


def _compare(rows: Sequence[Row], others: Mapping[str, str]) -> None:
    """Fill in the differences of a budget's rows.

    Args:
        rows: The rows.
        others: The start to compare with, by the field of the difference.
    """
    by_name = {row.start['name']: row for row in rows}
    for row in rows:
        for field_name, name in others.items():
            other = by_name.get(name)
            if other is None or other is row:
                continue
            values = statistics.pairs(row.ap, other.ap)
            if values:
                difference = statistics.paired_difference(values)
                setattr(row, field_name, difference)


def fewer_labels(results: Results, start: str) -> list[str]:
    """Say how many labels the reference needs for the AP of a start.

    Returns:
        A sentence for each budget whose AP lies on the reference's curve, or
        above the whole curve, which has more labels.
    """
    curve = [results.row(results.scratch, n) for n in results.budgets]
    known = [(r.labels, r.summary.mean) for r in curve if r and r.summary]
    reference = next((row.label for row in curve if row), '')
    sentences = []
    for labels in results.budgets:
        row = results.row(start, labels)
        if row is None or row.summary is None or len(known) < 2:
            continue
        reached = row.summary.mean
        needed = statistics.labels_for(reached, *zip(*known, strict=True))
        if needed is not None and needed > labels:
            sentences.append(
                f'{row.label} with {labels} labels reaches {reached:.1f} AP, '
                f'for which the start {reference} needs about {needed:.0f} '
                f'labels: {needed / labels:.1f} times as many.'
            )
        most, best = max(known, key=lambda pair: pair[1])
        if needed is None and reached > best and labels < most:
            sentences.append(
                f'{row.label} with {labels} labels reaches {reached:.1f} AP, '
                f'the start {reference} with {most} labels {best:.1f}.'
            )
    return sentences


def correlations(results: Results) -> list[Correlation]:
    """Correlate gauges of pretraining with the AP of fine-tuning.

    Of the starts that take different parts of one pretraining, the first one
    of the plan counts.

    Returns:
        One for each label budget and gauge.
    """
    found = []
    for labels in results.budgets:
        cells = _cells_of_pretrainings(results, labels)
        names = {name for p, _ in cells for name in p.gauges}
        for name in sorted(names.difference(_NOT_COMPARABLE)):
            known = [(p, ap) for p, ap in cells if name in p.gauges]
            value = statistics.rank_correlation(
                [p.gauges[name] for p, _ in known], [ap for _, ap in known]
            )
            starts = len({p.start for p, _ in known})
            found.append(Correlation(name, labels, len(known), starts, value))
    return found


def _cells_of_pretrainings(
    results: Results, labels: int
) -> list[tuple[Record, float]]:
    """Return each pretraining with the AP of the fine-tuning that counts."""
    found: dict[str, tuple[Record, float]] = {}
    for row in results.at(labels):
        for seed, pretraining in row.pretrainings.items():
            if seed in row.records:
                cell = (pretraining, row.records[seed].box_ap)
                found.setdefault(pretraining.cell, cell)
    return list(found.values())


def superseded(folder: Path, content: dict) -> int:
    """Count the records that belong to an earlier state of the plan."""
    current = {
        record_path(folder, cell['name'], cell['fingerprint']).name
        for cell in content['cells']
    }
    names = {p.name for p in folder.glob('*.json')} - {PLAN_FILE}
    return len(names - current)
