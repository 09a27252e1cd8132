"""What the finished cells of a plan say, by start and label budget."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from . import statistics
from .plan_parts import REFERENCES
from .records import Record
from .statistics import Difference, Summary


@dataclass
class Row:
    """A start at a label budget.

    Attributes:
        start: The start, as the plan has it.
        labels: Labeled pictures.
        records: The finished fine-tunings by seed.
        pretrainings: The pretrainings that they came from, by seed.
        planned: Number of cells that the plan has here.
        failures: Errors of failed cells.
        to_scratch: Difference to the first start; None for itself, or without
            pairs.
        to_best: Difference to the best image-level method; None for itself,
            or where there is none.
        to_longer: Difference to the reference that is trained for the time
            of a pretraining, too; None for itself, or where there is none.
    """

    start: dict
    labels: int
    records: dict[int, Record] = field(default_factory=dict)
    pretrainings: dict[int, Record] = field(default_factory=dict)
    planned: int = 0
    failures: list[str] = field(default_factory=list)
    to_scratch: Difference | None = None
    to_best: Difference | None = None
    to_longer: Difference | None = None

    @property
    def label(self) -> str:
        """The start's name for readers."""
        return self.start['title'] or self.start['name']

    @property
    def ap(self) -> dict[int, float]:
        """AP by seed."""
        return {seed: r.box_ap for seed, r in self.records.items()}

    @property
    def summary(self) -> Summary | None:
        """Mean and spread of the AP; None without finished cells."""
        values = list(self.ap.values())
        return statistics.summarize(values) if values else None

    def mean(self, name: str) -> float | None:
        """Return the mean of a metric or of a class's AP."""
        values = [
            r.ap.get(name, r.ap_by_class.get(name))
            for r in self.records.values()
        ]
        known = [value for value in values if value is not None]
        return float(np.mean(known)) if known else None

    def cost(self, stage: str, name: str) -> float | None:
        """Return the mean of a numeric field of the records of a stage."""
        found = self.pretrainings if stage == 'pretraining' else self.records
        values = [getattr(record, name) for record in found.values()]
        return float(np.mean(values)) if values else None

    @property
    def loaded(self) -> dict[str, int]:
        """Tensors that arrived, by part, of the first record."""
        return next(iter(self.records.values())).loaded if self.records else {}

    @property
    def notes(self) -> list[str]:
        """The notes of the cells, each sentence once."""
        cells = [*self.pretrainings.values(), *self.records.values()]
        return list(dict.fromkeys(n for cell in cells for n in cell.notes))


@dataclass
class ProbeRow:
    """The probes of a start.

    Attributes:
        start: The start, as the plan has it.
        records: The finished probes by seed.
        planned: Number of probes that the plan has here.
        failures: Errors of failed ones.
    """

    start: dict
    records: dict[int, Record] = field(default_factory=dict)
    planned: int = 0
    failures: list[str] = field(default_factory=list)

    def has(self, part: str) -> bool:
        """Return whether a part of the detector came from the start.

        An untrained network is a start for all of its parts.
        """
        loaded = [record.loaded for record in self.records.values()]
        return all(not parts or part in parts for parts in loaded)

    def scores(self, kind: str, name: str, score: str) -> dict[int, float]:
        """Return a score by seed, such as the accuracies of a module.

        Args:
            kind: ``modules`` or ``controls``.
            name: Which of them.
            score: Name of the score; accuracies are from 0 to 1.
        """
        return {
            seed: record.probe[kind][name][score]
            for seed, record in self.records.items()
            if name in record.probe[kind]
        }


@dataclass
class Results:
    """A plan with the results of its cells.

    Attributes:
        content: What ``plan.json`` holds.
        rows: In the order of the plan's starts, for each budget in turn.
        best: Name of the best image-level method by labels.
        probes: What the probes found, in the order of the starts.
    """

    content: dict
    rows: list[Row]
    best: dict[int, str]
    probes: list[ProbeRow]

    @property
    def plan(self) -> dict:
        """The plan as plain values."""
        return self.content['plan']

    @property
    def scratch(self) -> str:
        """Name of the start that differences are taken to."""
        return self.plan['starts'][0]['name']

    @property
    def longer(self) -> str:
        """Name of the reference that gets a pretraining's time, or ''."""
        return longer_reference(self.plan['starts'])

    @property
    def budgets(self) -> list[int]:
        """The label budgets, rising."""
        return sorted(budget['labels'] for budget in self.plan['budgets'])

    @property
    def classes(self) -> list[str]:
        """Names of the classes."""
        return self.content['classes']

    @property
    def done(self) -> list[Record]:
        """All finished cells, each once."""
        cells = {}
        for row in self.rows:
            for record in (*row.pretrainings.values(), *row.records.values()):
                cells[record.cell] = record
        probes = [r for row in self.probes for r in row.records.values()]
        return [*cells.values(), *probes]

    @property
    def planned(self) -> int:
        """Number of cells of the plan."""
        return len(self.content['cells'])

    def at(self, labels: int) -> list[Row]:
        """Return the rows of a budget."""
        return [row for row in self.rows if row.labels == labels]

    def row(self, start: str, labels: int) -> Row | None:
        """Return the row of a start at a budget, if the plan has it."""
        for row in self.at(labels):
            if row.start['name'] == start:
                return row
        return None


def longer_reference(starts: Sequence[dict]) -> str:
    """Return the reference that gets a pretraining's time, '' for none."""
    names = (
        start['name']
        for start in starts
        if start['kind'] in REFERENCES and start['time_of']
    )
    return next(names, '')
