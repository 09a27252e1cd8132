"""Run the cells of a plan one by one, and keep their records."""

import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from mmsoco.utils.extras import require_extra
from mmsoco.utils.files import write_json
from mmsoco.utils.locks import FileLock
from mmsoco.workflow.steps import Job, Step, StepError

from . import recipes
from .analysis import PLAN_FILE
from .cells import (
    PRETRAINING,
    Cell,
    cells_of,
    pretraining_name,
    take_shard,
)
from .held_out import with_held_out
from .identity import CellIdentities
from .materials import (
    Materials,
    describe,
    prepare,
    with_scenes,
)
from .plan import Plan
from .progress import CellState, Forecast
from .records import Record, record_path, write_record
from .tasks import CellFiles, CellTasks
from .work import EXPORTED


class Comparison:
    """A plan whose cells can be run.

    Args:
        plan: The plan.
        out: Folder for the trainings and the prepared data.
        records: Folder of the records.
        command: The words that make the comparison, for the records.
        threads: Threads of a cell; None for all cores.
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
            # Waiting in a busy loop is costly if other programs use the same
            # cores.
            OMP_WAIT_POLICY='PASSIVE',
            PYTHONWARNINGS='ignore',
        )
        self.cells = cells_of(plan)
        # `prepare` sets these.
        self.materials: Materials
        self.identities: CellIdentities
        self.files: CellFiles
        self.tasks: CellTasks

    def prepare(self) -> None:
        """Check the data, draw the subsets, fingerprint the cells.

        Raises:
            ModuleNotFoundError: If a package for the report is missing.
        """
        require_extra('report')
        self.plan = with_scenes(self.plan, self.out, self.environment)
        self.plan = with_held_out(self.plan, self.out)
        self.materials = prepare(self.plan, self.out)
        self.identities = CellIdentities(self.plan, self.materials, self.cells)
        self.files = CellFiles(
            self.out, self.records, self.identities.fingerprints
        )
        self.tasks = CellTasks(
            self.plan,
            self.materials,
            self.identities,
            self.files,
            self.threads,
        )
        self.records.mkdir(parents=True, exist_ok=True)
        write_json(self.records / PLAN_FILE, self.describe_plan(), indent=1)

    def describe_plan(self) -> dict:
        """Return the plan and its cells as plain values for the report."""
        plan = asdict(self.plan)
        # The location of data and plan depends on the machine.
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
                    fingerprint=self.files.fingerprints[cell.name],
                )
                for cell in self.cells
            ],
        )

    def run(self, shard: tuple[int, int] = (0, 1), only: str = '') -> bool:
        """Run the cells that are not done yet.

        If a cell fails, that is recorded, and the next one is run; cells that
        need it are skipped. A later call tries failed cells again. A finished
        pretraining is run again if its weights are missing, as on another
        machine, and an unfinished cell starts from them.

        Args:
            shard: Share of the cells, see `cells.take_shard`.
            only: Name of the only cell to run; empty for all cells.

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

    def lacking(self, cell: Cell) -> list[str]:
        """Return the cells that a cell needs and that are not done."""
        return [
            name
            for name in cell.needs
            if not self._is_done(name)
            or (
                self._starts_from(cell, name)
                and not self.files.has_weights(name)
            )
        ]

    def status(
        self, shard: tuple[int, int] = (0, 1), only: str = ''
    ) -> list[CellState]:
        """Return the state of the cells that `run` would make, in order."""
        records = {
            cell.name: self.files.record_of(cell.name) for cell in self.cells
        }
        forecast = Forecast(self.plan, filter(None, records.values()))
        return [
            forecast.state(c, records[c.name])
            for c in self._chosen(shard, only)
        ]

    def _is_done(self, name: str) -> bool:
        record = self.files.record_of(name)
        return record is not None and record.status == 'done'

    def _starts_from(self, cell: Cell, name: str) -> bool:
        """Return whether a cell reads the weights of a pretraining.

        Others only need its duration.
        """
        start = self.plan.start(cell.start)
        owner = start.round_after if cell.kind == PRETRAINING else start.owner
        return owner is not None and name == pretraining_name(owner, cell.seed)

    def _is_missed(self, cell: Cell) -> bool:
        """Return whether an unfinished cell lacks a pretraining's weights."""
        return (
            cell.kind == PRETRAINING
            and not self.files.has_weights(cell.name)
            and any(
                self._starts_from(other, cell.name)
                and not self._is_done(other.name)
                for other in self.cells
            )
        )

    @contextmanager
    def _lock(self, cell: Cell) -> Iterator[bool]:
        """Hold the lock of a cell; yield whether it was free."""
        folder = self.files.folder(cell.name)
        lock = FileLock(
            folder / 'lock', folder, f'making {cell.name}', stays=True
        )
        try:
            lock.acquire()
        except BlockingIOError:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def _make(self, cell: Cell) -> None:
        """Run a cell's process; record its failure if it fails."""
        folder = self.files.folder(cell.name)
        record = self._blank_record(cell)
        try:
            task = self.tasks.write(cell, record)
        except (OSError, ValueError, StepError) as error:
            self._record_failure(record, str(error))
            return
        write_json(folder / 'task.json', task, indent=1)
        path = record_path(self.records, cell.name, record.fingerprint)
        step = Step(
            name=cell.name,
            title=cell.title,
            command=('python', '-m', 'mmsoco.comparison.work', str(folder)),
            outputs=(path, *self._weights_of(cell)),
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

    def _weights_of(self, cell: Cell) -> list[Path]:
        """Return the weights that a cell makes, none unless it pretrains."""
        if cell.kind != PRETRAINING:
            return []
        return [self.files.folder(cell.name) / EXPORTED]

    def _record_failure(self, record: Record, reason: str) -> None:
        print(f'      failed: {reason}', flush=True)
        lines = reason.strip().splitlines()
        # Records do not contain folders of the machine.
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
            fingerprint=self.files.fingerprints[cell.name],
            command=shlex.join((*self.command, *words)),
            config_sha256=recipes.config_hash(self.identities.config(cell)),
            data_sha256=self.identities.data_hashes(cell),
        )
