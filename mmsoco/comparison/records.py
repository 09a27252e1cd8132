"""Read and write the JSON record of a cell: inputs, results and costs."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mmsoco.utils.files import write_json

# Digits of the fingerprint in a record's file name.
_DIGITS = 8


@dataclass(frozen=True)
class Record:
    """The record of a finished or failed cell.

    Attributes:
        cell: Name of the cell.
        kind: ``pretraining``, ``finetuning`` or ``probe``.
        start: Name of the start.
        seed: The seed.
        labels: Labeled pictures of a fine-tuning, else 0.
        fingerprint: SHA-256 of all that the result depends on.
        command: The command that runs it again.
        status: ``done`` or ``failed``.
        error: Why it failed, in a line.
        config_sha256: Hash of the config that ran, without paths.
        data_sha256: SHA-256 of the data's parts, by name.
        versions: Packages with their versions.
        machine: Date, processor, GPU, system.
        seconds: Duration of the training steps, including waits for data.
        wall_seconds: Duration of the process that finished the cell.
        cpu_seconds: CPU time of that process on all cores.
        steps: Optimizer steps.
        pictures_seen: Pictures, including repetitions.
        loaded: Tensors that arrived, by part; empty from scratch.
        ap: ``AP``, ``AP50``, ``AP75``, ``AP_small``, ``AP_medium``,
            ``AP_large`` of the boxes, in percent; None where the validation
            set has no such objects.
        ap_by_class: AP of each class in percent.
        gauges: Numbers that need no labels, by name.
        probe: Results of a probe: scores of ``modules`` and ``controls`` by
            name, the share of the ``majority``, the number of ``boxes``.
        notes: Sentences for the report.
    """

    cell: str
    kind: str
    start: str
    seed: int
    labels: int
    fingerprint: str
    command: str
    status: str = 'done'
    error: str = ''
    config_sha256: str = ''
    data_sha256: dict[str, str] = field(default_factory=dict)
    versions: str = ''
    machine: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    steps: int = 0
    pictures_seen: int = 0
    loaded: dict[str, int] = field(default_factory=dict)
    ap: dict[str, float | None] = field(default_factory=dict)
    ap_by_class: dict[str, float | None] = field(default_factory=dict)
    gauges: dict[str, float] = field(default_factory=dict)
    probe: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def box_ap(self) -> float:
        """AP of the boxes of a finished fine-tuning, in percent.

        Raises:
            ValueError: If the record has none.
        """
        value = self.ap.get('AP')
        if value is None:
            raise ValueError(
                f'the record of {self.cell} has no AP: expected a number as '
                'ap.AP. Remove it, and the cell is made again'
            )
        return value


def record_path(folder: Path, cell: str, fingerprint: str) -> Path:
    """Return the path of the record of a cell with a fingerprint.

    The fingerprint is part of the name, so that the record of a changed cell
    does not overwrite the old one.
    """
    return folder / f'{cell}-{fingerprint[:_DIGITS]}.json'


def write_record(folder: Path, record: Record) -> Path:
    """Write a record; return its file."""
    path = record_path(folder, record.cell, record.fingerprint)
    write_json(path, asdict(record), indent=1, sort_keys=True)
    return path


def read_record(path: Path) -> Record:
    """Read a record.

    Raises:
        ValueError: If the file is not a record.
    """
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
        return Record(**content)
    except (UnicodeDecodeError, ValueError, TypeError) as error:
        raise ValueError(
            f'{path} is not the record of a cell: {error}. Remove it, and '
            'the cell is made again'
        ) from error


def find_record(folder: Path, cell: str, fingerprint: str) -> Record | None:
    """Return the record of a cell with a fingerprint, if there is one."""
    path = record_path(folder, cell, fingerprint)
    return read_record(path) if path.is_file() else None
