"""Convert the checkpoints that SoCo's authors published.

Their file has the parts ``model`` (weights, each name with the prefix
``module.``), ``opt`` (the command line) and ``epoch``. The names of the layers
are in `mmsoco.checkpoints.reference_tables`.
"""

import argparse
from pathlib import Path
from typing import Any

from mmsoco.structures import InputConvention
from mmsoco.structures.input_convention import META_KEY

from . import io
from .export import detector_state, manifest_of
from .layouts import check_layout
from .reference_tables import rename_reference

_PREFIX = 'module.'


def convert_reference(
    source: str | Path,
    target: str | Path,
    to: str = 'mmsoco',
    online_only: bool = False,
) -> dict:
    """Convert a checkpoint of the authors to ours, or ours back to theirs.

    A conversion in both directions loses nothing: the authors' command line
    and epoch are kept in ``meta``.

    Args:
        source: The checkpoint to read.
        target: The checkpoint to write.
        to: ``'mmsoco'`` for training and export, ``'mmdet'`` for a detector,
            ``'reference'`` for the authors' layout.
        online_only: Leave out predictor and target.

    Returns:
        The manifest; for ``'reference'`` empty, as their files have none.

    Raises:
        FileNotFoundError: If ``source`` does not exist.
        ValueError: If ``source`` has the wrong layout.
        OSError: If ``target`` could not be written.
    """
    if to == 'reference':
        io.save_atomic(_to_reference(source, online_only), target)
        return {}
    checkpoint = io.load_reference(source)
    state = io.weights_of(checkpoint, source)
    check_layout(state, 'reference', source)
    renamed = rename_reference(state, 'mmsoco', online_only)
    if to == 'mmdet':
        renamed = detector_state(renamed)
    meta = {
        'epoch': checkpoint.get('epoch'),
        META_KEY: InputConvention().to_meta(),  # of all that they published
    }
    manifest = manifest_of(renamed, meta, source, layout=to)
    if 'opt' in checkpoint:
        manifest['reference_opt'] = vars(checkpoint['opt'])
    io.save_atomic(dict(state_dict=renamed, meta=manifest), target)
    return manifest


def _to_reference(source: str | Path, online_only: bool) -> dict:
    """Return the content of a file in the authors' layout."""
    checkpoint = io.load_run(source)
    state = io.weights_of(checkpoint, source)
    check_layout(state, 'mmsoco', source)
    renamed = rename_reference(state, 'reference', online_only)
    content: dict[str, Any] = dict(
        model={_PREFIX + k: v for k, v in renamed.items()}
    )
    meta = checkpoint.get('meta', {})
    if meta.get('epoch') is not None:
        content['epoch'] = meta['epoch']
    if 'reference_opt' in meta:
        content['opt'] = argparse.Namespace(**meta['reference_opt'])
    return content
