"""Write the config and the task of a cell for its process."""

import copy
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mmengine.config import Config

from . import recipes
from .cells import (
    FINETUNING,
    PRETRAINING,
    PROBE,
    Cell,
    finetuning_name,
    pretraining_name,
)
from .identity import CellIdentities
from .materials import (
    Materials,
    label_proposals,
    make_proposals,
    proposals_of_next_round,
)
from .plan import Plan
from .plan_parts import LABELS, Start
from .records import Record, find_record
from .work import DETECTOR_CONFIG, EXPORTED


@dataclass(frozen=True)
class CellFiles:
    """The folders of the trainings and the records of cells.

    Attributes:
        out: Folder of the trainings and the prepared data.
        records: Folder of the records.
        fingerprints: Hash of each cell by its name.
    """

    out: Path
    records: Path
    fingerprints: dict[str, str]

    def folder(self, name: str) -> Path:
        """Return the folder in which a cell runs."""
        return self.out / 'cells' / f'{name}-{self.fingerprints[name][:8]}'

    def record_of(self, name: str) -> Record | None:
        """Return the record of a cell for the current plan, if any."""
        return find_record(self.records, name, self.fingerprints[name])

    def has_weights(self, name: str) -> bool:
        """Return whether the weights of a pretraining are on this machine."""
        return (self.folder(name) / EXPORTED).is_file()


class CellTasks:
    """The tasks of the cells of a prepared plan.

    Args:
        plan: The plan.
        materials: Its prepared data.
        identities: Configs and fingerprints of its cells.
        files: Where trainings and records are.
        threads: Processes that search proposals.
    """

    def __init__(
        self,
        plan: Plan,
        materials: Materials,
        identities: CellIdentities,
        files: CellFiles,
        threads: int,
    ) -> None:
        self.plan = plan
        self.materials = materials
        self.identities = identities
        self.files = files
        self.threads = threads

    def write(self, cell: Cell, record: Record) -> dict:
        """Write a cell's config; return the task for its process."""
        cfg = copy.deepcopy(self.identities.config(cell))
        notes = []
        if cell.kind == PRETRAINING:
            notes = self._complete_pretraining(cfg, cell)
        elif cell.kind == FINETUNING:
            notes = self._complete_finetuning(cfg, cell)
        recipes.write_config(cfg, self.files.folder(cell.name) / 'config.py')
        start, data = self.plan.start(cell.start), self.plan.data
        task: dict[str, Any] = dict(
            record=asdict(replace(record, notes=notes)),
            records=str(self.files.records),
            start_kind=start.kind,
            parts=start.parts,
            val_labels=str(data.path('val_labels')),
        )
        if cell.kind == PROBE:
            weights = self._weights(start, cell)
            task |= dict(
                weights=weights and str(weights),
                images=str(data.path('images')),
                labels=str(data.path('labels')),
                probe=self.identities.probe_settings(),
            )
        return task

    def proposals(self, start: Start, seed: int) -> Path:
        """Return the proposals for a pretraining; make them if needed."""
        if start.proposals is None:
            return make_proposals(
                self.plan, start, self.files.out, self.threads
            )
        if start.proposals == LABELS:
            return label_proposals(self.plan, self.files.out)
        if start.round_after is None:
            return Path(self.plan.data.root, start.proposals)
        before = self.plan.start(start.round_after)
        folder = self.files.folder(pretraining_name(before.name, seed))
        return proposals_of_next_round(
            self.plan,
            start,
            self.proposals(before, seed),
            folder / EXPORTED,
            folder,
            self.threads,
        )

    def _weights(self, start: Start, cell: Cell) -> Path | None:
        """Return the weights that a start begins from."""
        if start.owner:
            owner = pretraining_name(start.owner, cell.seed)
            return self.files.folder(owner) / EXPORTED
        return Path(start.checkpoint) if start.checkpoint else None

    def _complete_pretraining(self, cfg: Config, cell: Cell) -> list[str]:
        start = self.plan.start(cell.start)
        samples, notes = self.plan.samples_of(start), []
        if start.time_of:
            other = self.plan.owner_of(start.time_of)
            twin = self.plan.twin(start)
            assert twin is not None  # a plan without it was refused
            given = self._needed(pretraining_name(other, cell.seed))
            own = self._needed(pretraining_name(twin.name, cell.seed))
            samples = round(own.pictures_seen * given.seconds / own.seconds)
            notes.append(f'{samples} samples, the time of {start.time_of}')
        detector = recipes.finetuning_config(self.plan).model
        recipes.write_config(
            Config(dict(model=detector)),
            self.files.folder(cell.name) / DETECTOR_CONFIG,
        )
        recipes.complete_pretraining(
            cfg,
            image_root=self.plan.data.path('pictures'),
            proposals=self.proposals(start, cell.seed)
            if self.identities.takes_proposals(cell)
            else None,
            epochs=max(1, round(samples / self.materials.pictures)),
            seed=cell.seed,
            work_dir=self.files.folder(cell.name) / 'run',
        )
        return notes

    def _complete_finetuning(self, cfg: Config, cell: Cell) -> list[str]:
        start, data = self.plan.start(cell.start), self.plan.data
        steps, notes = self._steps(start, cell)
        recipes.complete_finetuning(
            cfg,
            classes=self.materials.classes,
            train=(
                self.materials.subsets[cell.labels, cell.seed],
                data.path('images'),
            ),
            val=(data.path('val_labels'), data.path('val_images')),
            steps=steps,
            seed=cell.seed,
            work_dir=self.files.folder(cell.name) / 'run',
            load_from=self._weights(start, cell),
        )
        return notes

    def _steps(self, start: Start, cell: Cell) -> tuple[int, list[str]]:
        """Return the steps of a fine-tuning, and notes for its record."""
        steps = self.plan.steps_of(cell.labels)
        if start.owner or not start.time_of:
            return steps, []
        other = self.plan.owner_of(start.time_of)
        given = self._needed(pretraining_name(other, cell.seed))
        reference = self._needed(
            finetuning_name(self.plan.starts[0].name, cell.labels, cell.seed)
        )
        extra = round(steps * given.seconds / reference.seconds)
        return steps + extra, [
            f'{steps + extra} steps: {extra} of them take the time of the '
            f'pretraining of {start.time_of}'
        ]

    def _needed(self, name: str) -> Record:
        """Return the record of a cell that the current one needs."""
        record = self.files.record_of(name)
        assert record is not None  # `run` does not start a cell without it
        return record
