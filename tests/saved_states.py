"""Compares what two trainings have saved."""

from collections.abc import Mapping
from pathlib import Path

import torch

from mmsoco.checkpoints.io import load_run
from mmsoco.config.keys import walk


def differences(
    one: Path, other: Path, name: str = 'epoch_3.pth'
) -> list[str]:
    """Places in two checkpoints whose values are not the same to the bit.

    Args:
        one: a work dir.
        other: another one.
        name: the checkpoint in both.
    """
    a, b = _values(one / name), _values(other / name)
    places = sorted(a.keys() | b.keys())
    return [p for p in places if p not in a or p not in b or a[p] != b[p]]


def _values(path: Path) -> dict:
    """Return plain values of weights, optimizer and schedules by place."""
    run = load_run(path)
    return {
        place: value.tolist() if isinstance(value, torch.Tensor) else value
        for part in ('state_dict', 'optimizer', 'param_schedulers')
        for place, value in walk(part, run.get(part))
        if not isinstance(value, Mapping | list | tuple)
    }
