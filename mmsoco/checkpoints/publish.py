"""Checkpoints to hand to others: weights, a manifest, a name with a hash."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import torch

from mmsoco.utils.files import (
    name_complete,
    refuse_file,
    sha256,
    unnamed_path,
)

from . import io
from .export import manifest_of
from .integrity import CHECKSUM, tensors_sha256
from .layouts import guess_layout


def publish(
    source: str | Path,
    folder: str | Path,
    name: str,
    day: date | None = None,
) -> Path:
    """Write a checkpoint without its training state.

    Args:
        source: Checkpoint of a run of ours, or an exported detector, whose
            manifest is kept.
        folder: Where to write.
        name: Start of the file's name, such as the config's.
        day: The date in the name; None for today.

    Returns:
        The file ``{name}_{YYYYMMDD}-{hash}.pth``, where hash stands for the
        first 8 hex digits of the SHA-256 of its bytes. It holds
        ``state_dict`` and ``meta``, and loads weights-only. ``meta`` has the
        classes of a detector (``dataset_meta``), as mmdet writes them.

    Raises:
        FileNotFoundError: If ``source`` does not exist.
        NotADirectoryError: If ``folder`` is a file.
        ValueError: If ``source`` holds no weights, or not finite ones.
        OSError: If the file could not be written.
    """
    content = without_training_state(source)
    folder = Path(folder)
    refuse_file(folder, 'published file')
    with unnamed_path(folder / f'{name}.pth') as partial:
        torch.save(content, partial)
        digest = sha256(partial)[:8]
        final = folder / f'{name}_{day or date.today():%Y%m%d}-{digest}.pth'
        name_complete(partial, final)
    return final


def without_training_state(source: str | Path) -> dict:
    """Return the content of a published file; see `publish`."""
    checkpoint = io.load_run(source)
    state = io.weights_of(checkpoint, source)
    meta = checkpoint.get('meta', {})
    if not is_manifest(meta):
        meta = manifest_of(state, meta, source, guess_layout(state))
    return dict(
        state_dict=state, meta={**meta, CHECKSUM: tensors_sha256(state)}
    )


def is_manifest(meta: Mapping) -> bool:
    """Return whether ``meta`` is a manifest of exported weights."""
    return {'parts', 'layout', 'source_sha256'} <= set(meta)
