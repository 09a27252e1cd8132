"""The plan of a comparison, and whether its parts fit together."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mmsoco

from .plan_parts import (
    KINDS,
    LABELS,
    PRETRAINED,
    REFERENCES,
    Budget,
    Data,
    Finetuning,
    Pretraining,
    Probe,
    Start,
)

PACKAGE_CONFIGS = Path(mmsoco.__file__).parent / '.mim' / 'configs'


@dataclass(frozen=True)
class Plan:
    """Everything that a comparison depends on.

    Attributes:
        name: Short name, the default name of the output folder.
        title: Heading of the report.
        data: The data.
        detector: Config of the fine-tuning; its model is also the one that
            is pretrained.
        starts: The starts; the first is the one that differences are taken
            to (scratch).
        budgets: The label budgets.
        pretraining: Length of the pretraining.
        finetuning: Length of the fine-tuning.
        probe: The probe of every start and seed; None: no probe.
        tuning: How rates were chosen, in a sentence for the report.
        notes: Further sentences for the report.
        file: The plan's file.
    """

    name: str
    data: Data
    detector: str
    starts: tuple[Start, ...]
    budgets: tuple[Budget, ...]
    title: str = ''
    pretraining: Pretraining = Pretraining()
    finetuning: Finetuning = Finetuning()
    probe: Probe | None = None
    tuning: str = ''
    notes: str = ''
    file: Path = Path()

    def __post_init__(self) -> None:
        """Check that the parts fit together."""
        check_starts(self)
        check_budgets(self)

    def start(self, name: str) -> Start:
        """Return a start by its name."""
        return next(s for s in self.starts if s.name == name)

    def owner_of(self, name: str) -> str:
        """Return the start whose pretraining cells a pretrained one needs."""
        owner = self.start(name).owner
        assert owner is not None  # `time_of` names a start that has one
        return owner

    def twin(self, start: Start) -> Start | None:
        """Return the start with the same config and without ``time_of``."""
        for other in self.starts:
            if other.config == start.config and not other.time_of:
                return other
        return None

    def seeds_of(self, start: Start, budget: Budget) -> tuple[int, ...]:
        """Return the seeds of a start at a label budget, maybe none."""
        if start.budgets is not None and budget.labels not in start.budgets:
            return ()
        return budget.seeds[: start.max_seeds]

    def filters_of(self, start: Start) -> dict[str, float]:
        """Return the limits of a start's proposals."""
        return self.data.filters if start.filters is None else start.filters

    def samples_of(self, start: Start) -> int:
        """Return the pictures that a start's pretraining sees."""
        return start.samples or self.pretraining.samples

    def steps_of(self, labels: int) -> int:
        """Return the steps of a fine-tuning on a label budget."""
        budget = next(b for b in self.budgets if b.labels == labels)
        return budget.steps or self.finetuning.steps

    def config_path(self, name: str) -> Path:
        """Return the file of a config that the plan names.

        Raises:
            FileNotFoundError: If there is no such file.
        """
        package, separator, inside = name.partition('::')
        path = self.file.parent / name
        if separator and package == 'mmsoco':
            path = PACKAGE_CONFIGS / inside
        if not path.is_file():
            raise FileNotFoundError(
                f'{self.file}: expected the config {name!r} relative to the '
                f'plan, but {path} does not exist'
            )
        return path


def check_starts(plan: Plan) -> None:
    """Refuse starts that do not fit together.

    Raises:
        ValueError: If a start is unknown, named twice, of an unknown kind, or
            lacks what its kind needs.
    """
    names = [start.name for start in plan.starts]
    _refuse_twice(names, f'{plan.file}: starts of one name')
    if plan.starts[0].kind not in REFERENCES:
        raise ValueError(
            f'{plan.file}: expected the first start, to which differences '
            f'are taken, to be of kind {" or ".join(REFERENCES)}; got '
            f'{plan.starts[0].name!r} of kind {plan.starts[0].kind!r}'
        )
    for start in plan.starts:
        where = f'{plan.file}: start {start.name!r}'
        if not start.name.replace('-', '').isalnum():
            raise ValueError(
                f'{where}: a name has letters, digits and "-" only: it is '
                'part of file names'
            )
        if start.kind not in KINDS:
            raise ValueError(
                f'{where}: unknown kind {start.kind!r}, expected one of '
                f'{", ".join(KINDS)}'
            )
        for key in ('pretrained_by', 'time_of'):
            named = getattr(start, key)
            if named is not None and named not in names:
                raise ValueError(
                    f'{where}: {key} names the unknown start {named!r}; the '
                    f'plan has {", ".join(names)}'
                )
        _check_needs(start, where)
        _check_links(plan, start, where)


def _check_needs(start: Start, where: str) -> None:
    """Refuse a start whose config or checkpoint is missing or has no use."""
    wants_config = start.kind in PRETRAINED and not start.pretrained_by
    for key, wanted in (
        ('config', wants_config),
        ('checkpoint', start.kind == 'weights'),
    ):
        if wanted and getattr(start, key) is None:
            raise ValueError(f'{where}: kind {start.kind!r} needs {key}')
        if not wanted and getattr(start, key) is not None:
            raise ValueError(
                f'{where}: {key} does not apply to kind {start.kind!r}'
                + (' and pretrained_by' if start.pretrained_by else '')
            )


def _check_links(plan: Plan, start: Start, where: str) -> None:
    """Refuse a start that refers to an unsuitable one."""
    if start.pretrained_by:
        other = plan.start(start.pretrained_by)
        if other.owner != other.name or other.kind != start.kind:
            raise ValueError(
                f'{where}: pretrained_by must name a start of kind '
                f'{start.kind!r} with a pretraining of its own, got '
                f'{other.name!r}'
            )
    if start.proposals and start.owner != start.name:
        raise ValueError(
            f'{where}: proposals have no use without a pretraining of its own'
        )
    found_elsewhere = start.proposals and not start.round_after
    if start.filters is not None and (
        found_elsewhere or start.owner != start.name
    ):
        raise ValueError(
            f'{where}: filters have no use without proposals that the plan '
            'makes for a pretraining of the start'
        )
    if start.round_after:
        _check_round(plan, start, where)
    if start.time_of and plan.start(start.time_of).owner in (None, start.name):
        raise ValueError(
            f'{where}: time_of must name another start that is pretrained, '
            f'got {start.time_of!r}'
        )
    if start.time_of and start.owner and plan.twin(start) is None:
        raise ValueError(
            f'{where}: to see as many pictures as fit into the time of '
            f'{start.time_of!r}, its speed must be known; the plan needs a '
            f'start of the same config {start.config!r} without time_of'
        )


def _check_round(plan: Plan, start: Start, where: str) -> None:
    """Refuse a further round after an unsuitable start."""
    seen = [start.name]
    while start.round_after:
        names = [other.name for other in plan.starts]
        if start.round_after not in names:
            raise ValueError(
                f'{where}: proposals must be {LABELS!r}, a store (.arrow) or '
                f'a start of the plan, got {start.round_after!r}'
            )
        start = plan.start(start.round_after)
        if start.kind != 'soco' or start.owner != start.name:
            raise ValueError(
                f'{where}: proposals must name a start of kind soco with a '
                f'pretraining of its own, got {start.name!r}'
            )
        if start.name in seen:
            raise ValueError(f'{where}: the rounds form a cycle: {seen}')
        seen.append(start.name)


def check_budgets(plan: Plan) -> None:
    """Refuse invalid label budgets, and data without a folder.

    Raises:
        ValueError: If a budget is given twice, a seed is given twice in a
            budget, or a number is not positive.
    """
    if not plan.data.root and plan.data.scenes is None:
        raise ValueError(
            f'{plan.file}: expected the folder of the data as data.root (or '
            '--data)'
        )
    labels = [budget.labels for budget in plan.budgets]
    _refuse_twice(labels, f'{plan.file}: budgets of as many labels')
    for budget in plan.budgets:
        where = f'{plan.file}: budget of {budget.labels} labels'
        if budget.labels < 1 or not budget.seeds:
            raise ValueError(f'{where}: expected labels and seeds, got none')
        _refuse_twice(budget.seeds, f'{where}: seeds')
    for start in plan.starts:
        unknown = set(start.budgets or ()) - set(labels)
        if unknown:
            raise ValueError(
                f'{plan.file}: start {start.name!r} names budgets that the '
                f'plan does not have: {sorted(unknown)}, expected some of '
                f'{labels}'
            )


def _refuse_twice(values: Iterable[Any], what: str) -> None:
    twice = [value for value, n in Counter(values).items() if n > 1]
    if twice:
        raise ValueError(f'{what}: {twice} stand more than once')
