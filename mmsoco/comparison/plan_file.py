"""Read plans.

A plan is a config in mmengine's dialect whose top-level names are the fields
of `Plan`; names of its own begin with an underscore. Its paths of configs are
relative to the plan's file; ``mmsoco::PATH`` names a config of the package.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from mmengine.config import ConfigDict

from mmsoco.config.reading import read_file
from mmsoco.proposals.filters import FilterSpec

from .plan import Plan
from .plan_parts import Budget, Data, Finetuning, Pretraining, Probe, Start
from .plan_values import check_value


def read_plan(path: str | Path, data_root: str | None = None) -> Plan:
    """Read a plan's file.

    Args:
        path: The file.
        data_root: Folder of the data instead of the plan's.

    Returns:
        The plan.

    Raises:
        FileNotFoundError: If there is no such file.
        TypeError: If a value is of the wrong kind.
        ValueError: If a key is unknown or missing, or a value does not fit.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f'there is no plan {path}; the plans are in configs/comparison'
        )
    content = {
        name: value
        for name, value in read_file(path).to_dict().items()
        if not name.startswith('_')
    }
    if data_root is not None and isinstance(content.get('data'), dict):
        content['data']['root'] = str(data_root)
    return parse_plan(content, path)


def parse_plan(content: Mapping[str, Any], path: Path) -> Plan:
    """Build a plan from plain values; see `read_plan`."""
    where = str(path)
    values = _checked(Plan, content, where, left_out=('file',))
    values['data'] = _build(Data, values['data'], f'{where}: data')
    parts: dict[str, type] = dict(
        pretraining=Pretraining, finetuning=Finetuning, probe=Probe
    )
    for name, kind in parts.items():
        if name in values:
            values[name] = _build(kind, values[name], f'{where}: {name}')
    lists: dict[str, type] = dict(starts=Start, budgets=Budget)
    for name, kind in lists.items():
        entries = values[name]
        if not isinstance(entries, (list, tuple)) or not entries:
            raise TypeError(
                f'{where}: expected a list of dicts as {name}, got {entries!r}'
            )
        values[name] = tuple(
            _build(kind, entry, f'{where}: {name}[{i}]')
            for i, entry in enumerate(entries)
        )
    plan = Plan(**values, file=path)
    limits = {f'start {s.name!r}': s.filters for s in plan.starts if s.filters}
    for place, filters in {'data': plan.data.filters, **limits}.items():
        _build(FilterSpec, filters, f'{where}: {place}: filters')
    return plan


def _build(kind: type, content: Any, where: str) -> Any:
    """Build a dataclass from a dict; lists become tuples."""
    if not isinstance(content, Mapping):
        raise TypeError(f'{where}: expected a dict, got {content!r}')
    values = _checked(kind, content, where)
    return kind(
        **{
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
        }
    )


def _checked(
    kind: type,
    content: Mapping[str, Any],
    where: str,
    left_out: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the content if its keys and values fit a dataclass."""
    known = {f.name: f for f in fields(kind) if f.name not in left_out}
    for name in content:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            hint = f'; did you mean {near[0]!r}?' if near else ''
            raise ValueError(
                f'{where}: unknown key {name!r}{hint} (known: '
                f'{", ".join(known)})'
            )
    missing = [
        name
        for name, f in known.items()
        if f.default is MISSING
        and f.default_factory is MISSING
        and name not in content
    ]
    if missing:
        raise ValueError(f'{where}: missing {", ".join(missing)}')
    values = {name: _plain(value) for name, value in content.items()}
    for name, value in values.items():
        check_value(name, value, known[name].type, where)
    return values


def _plain(value: Any) -> Any:
    """Return a value of mmengine, or a range, as a plain one."""
    if isinstance(value, range):
        return list(value)
    return value.to_dict() if isinstance(value, ConfigDict) else value
