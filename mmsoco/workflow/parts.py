"""Choose the parts of a pretrained detector that a fine-tuning loads."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmsoco.workflow.run_folder import read_pretraining

# A box head that was pretrained for 625 steps lowered the AP of fine-tuning on
# few labels (docs/research/small_data.md); the paper reports a gain from one
# of 60,000 steps. No length between the two was measured.
HEAD_STEPS = 6000
HEAD = 'bbox_head'
# What a user types to load all pretrained parts.
ALL_PARTS = 'all'


def useful_parts(pretraining: Mapping[str, Any]) -> list[str] | None:
    """Choose the parts of a pretrained detector to fine-tune from.

    Args:
        pretraining: Manifest of the pretraining.

    Returns:
        All parts except the box head, if it was pretrained from random weights
        for fewer than `HEAD_STEPS` steps; else None, for all.
    """
    plan, parts = pretraining.get('plan'), pretraining.get('exported')
    settings = pretraining.get('settings', {})
    started = settings.get('init', 'scratch')
    started = settings.get('cfg_options', {}).get('model.init', started)
    if not plan or not parts or HEAD not in parts or started != 'scratch':
        return None
    if plan['epochs'] * plan['steps_per_epoch'] >= HEAD_STEPS:
        return None
    return [part for part in parts if part != HEAD]


def choose_parts(
    run: Path, asked: Sequence[str] | None
) -> Sequence[str] | None:
    """Return the parts to load of a pretraining's weights.

    Args:
        run: Folder of the pretraining.
        asked: Names of parts, or ``['all']``; None takes `useful_parts`.

    Returns:
        Names of parts; None for all.

    Raises:
        ValueError: If a part was asked for that was not pretrained.
    """
    pretraining = read_pretraining(run)
    if asked is None:
        return useful_parts(pretraining)
    if tuple(asked) == (ALL_PARTS,):
        return None
    there = pretraining.get('exported', {})
    unknown = [part for part in asked if part not in there]
    if unknown:
        raise ValueError(
            f'--parts {" ".join(unknown)}: expected {ALL_PARTS} or some of '
            f'{", ".join(there)}, which {run} has pretrained'
        )
    return asked
