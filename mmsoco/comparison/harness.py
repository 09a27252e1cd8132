"""Makes the cells of a plan one by one, and keeps their records."""

import copy
import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmsoco.utils.extras import require_extra
from mmsoco.utils.files import sha256, write_json
from mmsoco.workflow.steps import Job, Step, StepError

from . import recipes
from .analysis import PLAN_FILE
from .cells import (
    FINETUNING,
    PRETRAINING,
    PROBE,
    Cell,
    cells_of,
    finetuning_name,
    pretraining_name,
    take_shard,
)
from .held_out import with_held_out
from .materials import (
    Materials,
    describe,
    label_proposals,
    make_proposals,
    prepare,
    proposals_of_next_round,
    with_scenes,
)
from .plan import LABELS, Plan, Start
from .progress import CellState, Forecast
from .records import Record, find_record, record_path, write_record
from .work import DETECTOR_CONFIG, EXPORTED


class Comparison:
    """A plan at work.

    Args:
        plan: The plan.
        out: Folder of trainings and of what is prepared.
        records: Folder of the records.
        command: The words that make the comparison, for the records.
        threads: Threads of a cell; None: all cores.
        can_name_cells: Whether the command takes ``--only CELL``.
    """

    def __init__(
        self,
        plan: Plan,
        out: Path,
        records: Path,
        command: Sequence[str],
        threads: int | None = None,
        can_name_cells: bool = True,
    ) -> None:
        self.plan = plan
        self.out = out
        self.records = records
        self.command = tuple(command)
        self.can_name_cells = can_name_cells
        self.threads = threads or os.cpu_count() or 1
        self.environment = dict(
            OMP_NUM_THREADS=str(self.threads),
            MKL_NUM_THREADS=str(self.threads),
            # Spinning at barriers costs many times the work where other
            # programs use the same cores.
            OMP_WAIT_POLICY='PASSIVE',
            PYTHONWARNINGS='ignore',
        )
        self.cells = cells_of(plan)
        self.materials: Materials  # `prepare` sets it
        self.fingerprints: dict[str, str] = {}
        self._configs: dict[tuple[str, str], Config] = {}

    def prepare(self) -> None:
        """Check the data, draw the subsets, fingerprint the cells.

        Raises:
            ModuleNotFoundError: If what the report needs is missing.
        """
        require_extra('report')
        self.plan = with_scenes(self.plan, self.out, self.environment)
        self.plan = with_held_out(self.plan, self.out)
        self.materials = prepare(self.plan, self.out)
        for cell in self.cells:
            self.fingerprints[cell.name] = self._fingerprint(cell)
        self.records.mkdir(parents=True, exist_ok=True)
        write_json(self.records / PLAN_FILE, self.describe_plan(), indent=1)

    def describe_plan(self) -> dict:
        """Return the plan and its cells as plain values for the report."""
        plan = asdict(self.plan)
        # Where data and plan are depends on the machine.
        plan['file'] = self.plan.file.name
        plan['data']['root'] = Path(self.plan.data.root).name
        return dict(
            plan=plan,
            classes=list(self.materials.classes),
            pictures=self.materials.pictures,
            hashes=self.materials.hashes,
            notes=list(self.materials.notes),
            command=shlex.join(self.command),
            cells=[
                dict(
                    asdict(cell),
                    name=cell.name,
                    fingerprint=self.fingerprints[cell.name],
                )
                for cell in self.cells
            ],
        )

    def run(self, shard: tuple[int, int] = (0, 1), only: str = '') -> bool:
        """Make the cells that are not made yet.

        A cell that fails is recorded, and the next one is made; cells that
        need it are left out. Called again, failed cells are tried again. A
        finished pretraining is made again if its weights are gone, as on
        another machine, and an unfinished cell starts from them.

        Args:
            shard: Share of the cells, see `cells.take_shard`.
            only: Name of the one cell to make; empty: all.

        Returns:
            Whether all cells of the share are done.

        Raises:
            ValueError: If ``only`` is not a cell of the plan.
        """
        print(describe(self.materials, self.plan), flush=True)
        chosen = self._chosen(shard, only)
        for number, cell in enumerate(chosen, 1):
            heading = f'cell {number} of {len(chosen)}: {cell.title}'
            if self._is_done(cell.name) and not self._is_missed(cell):
                print(f'{heading}: done', flush=True)
                continue
            lacking = self.lacking(cell)
            if lacking:
                print(f'{heading}: waits for {", ".join(lacking)}', flush=True)
                continue
            print(heading, flush=True)
            with self._lock(cell) as is_free:
                if is_free:
                    self._make(cell)
                else:
                    print('      another process is making it', flush=True)
        return all(self._is_done(cell.name) for cell in chosen)

    def _chosen(self, shard: tuple[int, int], only: str) -> list[Cell]:
        if not only:
            return take_shard(self.cells, self.plan, shard)
        chosen = [cell for cell in self.cells if cell.name == only]
        if not chosen:
            names = ', '.join(cell.name for cell in self.cells[:4])
            raise ValueError(
                f'the plan has no cell {only!r}; it has {names} and more: '
                '--status lists them'
            )
        return chosen

    def record_of(self, name: str) -> Record | None:
        """Return the record of a cell as the plan is now, if there is one."""
        return find_record(self.records, name, self.fingerprints[name])

    def _needed(self, name: str) -> Record:
        """Return the record of a cell that the one at work needs."""
        record = self.record_of(name)
        assert record is not None  # `run` makes no cell that lacks one
        return record

    def lacking(self, cell: Cell) -> list[str]:
        """Return the cells that a cell needs and that are not usable."""
        return [
            name
            for name in cell.needs
            if not self._is_done(name)
            or (self._starts_from(cell, name) and not self._has_weights(name))
        ]

    def status(self) -> list[CellState]:
        """Return the state of each cell, in the order of the cells."""
        records = {cell.name: self.record_of(cell.name) for cell in self.cells}
        forecast = Forecast(self.plan, filter(None, records.values()))
        return [forecast.state(c, records[c.name]) for c in self.cells]

    def folder(self, name: str) -> Path:
        """Return the folder in which a cell is made."""
        return self.out / 'cells' / f'{name}-{self.fingerprints[name][:8]}'

    def _is_done(self, name: str) -> bool:
        record = self.record_of(name)
        return record is not None and record.status == 'done'

    def _has_weights(self, name: str) -> bool:
        """Return whether the weights of a pretraining are on this machine."""
        return (self.folder(name) / EXPORTED).is_file()

    def _starts_from(self, cell: Cell, name: str) -> bool:
        """Return whether a cell reads the weights of a pretraining.

        Others only need to know how long it took.
        """
        start = self.plan.start(cell.start)
        owner = start.round_after if cell.kind == PRETRAINING else start.owner
        return owner is not None and name == pretraining_name(owner, cell.seed)

    def _is_missed(self, cell: Cell) -> bool:
        """Return whether an unfinished cell lacks a pretraining's weights."""
        return (
            cell.kind == PRETRAINING
            and not self._has_weights(cell.name)
            and any(
                self._starts_from(other, cell.name)
                and not self._is_done(other.name)
                for other in self.cells
            )
        )

    @contextmanager
    def _lock(self, cell: Cell) -> Iterator[bool]:
        """Hold the right to make a cell; give whether it was free."""
        import fcntl  # not on every system, and only needed here

        folder = self.folder(cell.name)
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / 'lock', 'w') as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True

    def _make(self, cell: Cell) -> None:
        """Run a cell's process; record its failure if it fails."""
        folder = self.folder(cell.name)
        record = self._blank_record(cell)
        try:
            task = self._task(cell, record)
        except (OSError, ValueError, StepError) as error:
            self._record_failure(record, str(error))
            return
        write_json(folder / 'task.json', task, indent=1)
        path = record_path(self.records, cell.name, record.fingerprint)
        step = Step(
            name=cell.name,
            title=cell.title,
            command=('python', '-m', 'mmsoco.comparison.work', str(folder)),
            outputs=(path,),
        )
        try:
            Job(folder, [step], self.environment).run()
        except StepError as error:
            print(error, flush=True)
            log = (folder / 'logs' / f'{cell.name}.log').read_text(
                errors='replace'
            )
            lines = [x for x in log.splitlines() if x.startswith('error: ')]
            reason = lines[-1][7:] if lines else 'the process ended'
            self._record_failure(record, reason)

    def _record_failure(self, record: Record, reason: str) -> None:
        print(f'      failed: {reason}', flush=True)
        lines = reason.strip().splitlines()
        # A record names no folder of the machine.
        error = (lines or ['unknown'])[-1].replace(str(self.out), 'OUT')
        write_record(
            self.records, replace(record, status='failed', error=error)
        )

    def _blank_record(self, cell: Cell) -> Record:
        words = ('--only', cell.name) if self.can_name_cells else ()
        return Record(
            cell=cell.name,
            kind=cell.kind,
            start=cell.start,
            seed=cell.seed,
            labels=cell.labels,
            fingerprint=self.fingerprints[cell.name],
            command=shlex.join((*self.command, *words)),
            config_sha256=recipes.config_hash(self._config(cell)),
            data_sha256=self._data_hashes(cell),
        )

    def _config(self, cell: Cell) -> Config:
        """Return a cell's config before it is completed, read once."""
        start = cell.start if cell.kind == PRETRAINING else ''
        key = cell.kind, start
        if key not in self._configs:
            self._configs[key] = (
                recipes.pretraining_config(self.plan, self.plan.start(start))
                if start
                else recipes.finetuning_config(self.plan)
            )
            if cell.kind == PROBE:
                model = self._configs[key].model
                self._configs[key] = Config(dict(model=model))
        return self._configs[key]

    def _data_hashes(self, cell: Cell) -> dict[str, str]:
        hashes = self.materials.hashes
        if cell.kind == PRETRAINING:
            return dict(pictures=hashes['pictures'])
        if cell.kind == PROBE:
            return {name: hashes[name] for name in ('labels', 'images')}
        return dict(
            subset=self.materials.subset_hash(cell.labels, cell.seed),
            **{
                name: hashes[name]
                for name in ('images', 'val_labels', 'val_images')
            },
        )

    def _fingerprint(self, cell: Cell) -> str:
        """Hash all that the result of a cell depends on."""
        start = self.plan.start(cell.start)
        content: dict[str, Any] = dict(
            config=recipes.config_hash(self._config(cell)),
            data=self._data_hashes(cell),
            seed=cell.seed,
            needs=[self.fingerprints[name] for name in cell.needs],
        )
        if cell.kind == PRETRAINING:
            content['samples'] = self.plan.samples_of(start)
            if self._takes_proposals(cell):
                content['filters'] = self.plan.data.filters
            if start.proposals is not None:
                content['proposals'] = self._proposals_hash(start)
        elif cell.kind == PROBE:
            content['probe'] = self._probe_settings()
        else:
            content['steps'] = self.plan.steps_of(cell.labels)
            content['parts'] = start.parts
        if cell.kind != PRETRAINING and start.checkpoint:
            content['checkpoint'] = self._checkpoint_hash(
                start.name, start.checkpoint
            )
        return recipes.hash_of(content)

    def _probe_settings(self) -> dict[str, Any]:
        assert self.plan.probe is not None  # without it, no cell is a probe
        return asdict(self.plan.probe)

    def _checkpoint_hash(self, name: str, checkpoint: str) -> str:
        if not Path(checkpoint).is_file():
            raise FileNotFoundError(
                f'{self.plan.file}: start {name!r}: the checkpoint '
                f'{checkpoint} does not exist'
            )
        return sha256(checkpoint)

    def _proposals_hash(self, start: Start) -> str:
        """Return what a start's own proposals depend on, but for cells."""
        assert start.proposals is not None  # else it has none of its own
        if start.proposals == LABELS:
            return self.materials.hashes['labels']
        if start.round_after:
            return start.round_after
        path = Path(self.plan.data.root, start.proposals)
        if not path.is_file():
            raise FileNotFoundError(
                f'{self.plan.file}: start {start.name!r}: there is no '
                f'proposal store {path}'
            )
        return sha256(path)

    def _proposals(self, start: Start, seed: int) -> Path:
        """Make the proposals of a start's pretraining, or find them."""
        if start.proposals is None:
            return make_proposals(self.plan, self.out, self.threads)
        if start.proposals == LABELS:
            return label_proposals(self.plan, self.out)
        if start.round_after is None:
            return Path(self.plan.data.root, start.proposals)
        before = self.plan.start(start.round_after)
        folder = self.folder(pretraining_name(before.name, seed))
        return proposals_of_next_round(
            self.plan,
            self._proposals(before, seed),
            folder / EXPORTED,
            folder,
            self.threads,
        )

    def _takes_proposals(self, cell: Cell) -> bool:
        dataset = self._config(cell).train_dataloader.dataset
        return dataset.get('proposals') is not None

    def _task(self, cell: Cell, record: Record) -> dict:
        """Write a cell's config; return what its process needs to know."""
        cfg = copy.deepcopy(self._config(cell))
        notes = []
        if cell.kind == PRETRAINING:
            notes = self._complete_pretraining(cfg, cell)
        elif cell.kind == FINETUNING:
            notes = self._complete_finetuning(cfg, cell)
        recipes.write_config(cfg, self.folder(cell.name) / 'config.py')
        start, data = self.plan.start(cell.start), self.plan.data
        task: dict[str, Any] = dict(
            record=asdict(replace(record, notes=notes)),
            records=str(self.records),
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
                probe=self._probe_settings(),
            )
        return task

    def _weights(self, start: Start, cell: Cell) -> Path | None:
        """Return the weights that a start begins with."""
        if start.owner:
            owner = pretraining_name(start.owner, cell.seed)
            return self.folder(owner) / EXPORTED
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
            self.folder(cell.name) / DETECTOR_CONFIG,
        )
        recipes.complete_pretraining(
            cfg,
            image_root=self.plan.data.path('pictures'),
            proposals=self._proposals(start, cell.seed)
            if self._takes_proposals(cell)
            else None,
            epochs=max(1, round(samples / self.materials.pictures)),
            seed=cell.seed,
            work_dir=self.folder(cell.name) / 'run',
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
            work_dir=self.folder(cell.name) / 'run',
            load_from=self._weights(start, cell),
        )
        return notes

    def _steps(self, start: Start, cell: Cell) -> tuple[int, list[str]]:
        """Return the steps of a fine-tuning, and what is to be said."""
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
