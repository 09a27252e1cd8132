"""List the units of work of a plan, in the order in which they are run."""

from collections.abc import Sequence
from dataclasses import dataclass

from .plan import Plan
from .plan_parts import Start

PRETRAINING, FINETUNING, PROBE = 'pretraining', 'finetuning', 'probe'


@dataclass(frozen=True)
class Cell:
    """One pretraining, one fine-tuning, or one probe.

    Attributes:
        kind: ``pretraining``, ``finetuning`` or ``probe``.
        start: Name of the start.
        seed: The seed.
        labels: Labeled pictures of a fine-tuning, else 0.
        needs: Names of the cells that must be finished before.
    """

    kind: str
    start: str
    seed: int
    labels: int = 0
    needs: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The cell's name, also that of its record."""
        labels = f'{self.labels}_' if self.labels else ''
        return f'{self.kind}_{self.start}_{labels}seed{self.seed}'

    @property
    def title(self) -> str:
        """What it is, in a few words."""
        if self.kind != FINETUNING:
            return f'{self.kind} of {self.start}, seed {self.seed}'
        return (
            f'fine-tuning of {self.start} on {self.labels} labels, seed '
            f'{self.seed}'
        )


def pretraining_cell(start: str, seed: int) -> Cell:
    """Return a start's pretraining cell, without the cells it needs."""
    return Cell(PRETRAINING, start, seed)


def pretraining_name(start: str, seed: int) -> str:
    """Return the name of a start's pretraining cell."""
    return pretraining_cell(start, seed).name


def finetuning_name(start: str, labels: int, seed: int) -> str:
    """Return the name of a start's fine-tuning cell."""
    return Cell(FINETUNING, start, seed, labels).name


def cells_of(plan: Plan) -> list[Cell]:
    """List a plan's cells, the most informative first.

    Lower tiers come first, then lower seeds, so that every start has one
    cell before any has two; then the plan's order of starts. A pretraining
    comes right before the first fine-tuning that needs it, and its probe
    between the two.

    Args:
        plan: The plan.

    Returns:
        Each cell once, after all cells that it needs.
    """
    wanted = [
        (start.tier, order, number, start, budget.labels, seed)
        for number, start in enumerate(plan.starts)
        for budget in plan.budgets
        for order, seed in enumerate(plan.seeds_of(start, budget))
    ]
    cells: dict[str, Cell] = {}
    for *_, start, labels, seed in sorted(
        wanted, key=lambda entry: (*entry[:3], entry[4])
    ):
        _add_probe(cells, plan, start, seed)
        _add_finetuning(cells, plan, start, labels, seed)
    return list(cells.values())


def _add_probe(
    cells: dict[str, Cell], plan: Plan, start: Start, seed: int
) -> None:
    """Add the probe of a start whose weights no other start has."""
    is_same = start.pretrained_by or (start.time_of and not start.owner)
    if plan.probe is None or is_same:
        return
    needs: tuple[str, ...] = ()
    if start.owner:
        needs = (_add_pretraining(cells, plan, start.owner, seed),)
    cell = Cell(PROBE, start.name, seed, needs=needs)
    cells.setdefault(cell.name, cell)


def _add_finetuning(
    cells: dict[str, Cell], plan: Plan, start: Start, labels: int, seed: int
) -> str:
    """Add a cell after those that it needs; return its name."""
    name = finetuning_name(start.name, labels, seed)
    if name in cells:
        return name
    needs = []
    if start.owner:
        needs.append(_add_pretraining(cells, plan, start.owner, seed))
    elif start.time_of:
        owner = plan.owner_of(start.time_of)
        needs.append(_add_pretraining(cells, plan, owner, seed))
        reference = plan.starts[0]
        needs.append(_add_finetuning(cells, plan, reference, labels, seed))
    cells[name] = Cell(FINETUNING, start.name, seed, labels, tuple(needs))
    return name


def _add_pretraining(
    cells: dict[str, Cell], plan: Plan, owner: str, seed: int
) -> str:
    name = pretraining_name(owner, seed)
    if name in cells:
        return name
    start = plan.start(owner)
    needs = []
    if start.round_after:
        needs.append(_add_pretraining(cells, plan, start.round_after, seed))
    if start.time_of:
        other = plan.owner_of(start.time_of)
        needs.append(_add_pretraining(cells, plan, other, seed))
        twin = plan.twin(start)
        assert twin is not None  # a plan without it was refused
        needs.append(_add_pretraining(cells, plan, twin.name, seed))
    cells[name] = Cell(PRETRAINING, owner, seed, needs=tuple(needs))
    return name


def take_shard(
    cells: Sequence[Cell], plan: Plan, shard: tuple[int, int]
) -> list[Cell]:
    """Take a share of the cells, so that several machines can work.

    A pretraining stays together with the fine-tunings and the further rounds
    that use its weights, which other machines do not have.

    Args:
        cells: All cells in their order.
        plan: Their plan.
        shard: Number of the share, counted from 0, and how many there are.

    Returns:
        The cells of the share, in their order.
    """
    index, count = shard

    def group(cell: Cell) -> tuple[str, int]:
        name = plan.start(cell.start).owner or cell.start
        while before := plan.start(name).round_after:
            name = before
        return name, cell.seed

    numbers: dict[tuple[str, int], int] = {}
    for cell in cells:
        numbers.setdefault(group(cell), len(numbers))
    return [cell for cell in cells if numbers[group(cell)] % count == index]
