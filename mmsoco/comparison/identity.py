"""Fingerprint the config, data and settings of a cell."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmsoco.utils.files import sha256

from . import recipes
from .cells import PRETRAINING, PROBE, Cell
from .materials import Materials
from .plan import Plan
from .plan_parts import LABELS, Start


class CellIdentities:
    """Configs and fingerprints of the cells of a plan.

    Args:
        plan: The plan.
        materials: Its prepared data.
        cells: All of its cells, each after those that it needs.

    Attributes:
        fingerprints: Hash of each cell by its name; equal if the result would
            be the same.

    Raises:
        FileNotFoundError: If a checkpoint or a store that the plan names does
            not exist.
    """

    def __init__(
        self, plan: Plan, materials: Materials, cells: Sequence[Cell]
    ) -> None:
        self.plan = plan
        self.materials = materials
        self._configs: dict[tuple[str, str], Config] = {}
        self.fingerprints: dict[str, str] = {}
        for cell in cells:
            self.fingerprints[cell.name] = self._fingerprint(cell)

    def config(self, cell: Cell) -> Config:
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

    def data_hashes(self, cell: Cell) -> dict[str, str]:
        """Return the hashes of the data that a cell reads."""
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

    def takes_proposals(self, cell: Cell) -> bool:
        """Return whether a pretraining reads a store of proposals."""
        dataset = self.config(cell).train_dataloader.dataset
        return dataset.get('proposals') is not None

    def probe_settings(self) -> dict[str, Any]:
        """Return the settings of the plan's probe."""
        assert self.plan.probe is not None  # without it, no cell is a probe
        return asdict(self.plan.probe)

    def _fingerprint(self, cell: Cell) -> str:
        """Hash everything that the result of a cell depends on."""
        start = self.plan.start(cell.start)
        content: dict[str, Any] = dict(
            config=recipes.config_hash(self.config(cell)),
            data=self.data_hashes(cell),
            seed=cell.seed,
            needs=[self.fingerprints[name] for name in cell.needs],
        )
        if cell.kind == PRETRAINING:
            content['samples'] = self.plan.samples_of(start)
            if self.takes_proposals(cell):
                content['filters'] = self.plan.filters_of(start)
            if start.proposals is not None:
                content['proposals'] = self._proposals_hash(start)
        elif cell.kind == PROBE:
            content['probe'] = self.probe_settings()
        else:
            content['steps'] = self.plan.steps_of(cell.labels)
            content['parts'] = start.parts
        if cell.kind != PRETRAINING and start.checkpoint:
            content['checkpoint'] = self._checkpoint_hash(
                start.name, start.checkpoint
            )
        return recipes.hash_of(content)

    def _checkpoint_hash(self, name: str, checkpoint: str) -> str:
        if not Path(checkpoint).is_file():
            raise FileNotFoundError(
                f'{self.plan.file}: start {name!r}: the checkpoint '
                f'{checkpoint} does not exist'
            )
        return sha256(checkpoint)

    def _proposals_hash(self, start: Start) -> str:
        """Return a hash of a start's own proposals, except for cells."""
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
