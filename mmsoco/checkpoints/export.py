"""From a pretraining run to weights that a detector loads key by key."""

import pickle
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

import mmdet
import mmengine
import torch
from torch import Tensor

from mmsoco.utils.files import atomic_path, sha256
from mmsoco.version import __version__

from . import foreign, io
from .layouts import check_layout
from .load_report import part_of

ENCODER = 'encoder.'
CONVERSIONS = {
    'mmdet': dict,
    'detectron2': foreign.to_detectron2,
    'torchvision': foreign.to_torchvision_detector,
    'torchvision-backbone': foreign.to_torchvision_backbone,
}
# The stand-in for a RoI head of detectors that have none.
NOT_EXPORTED = ('trunk.',)


def detector_state(
    state: Mapping[str, Tensor], parts: Collection[str] | None = None
) -> dict[str, Tensor]:
    """Takes the detector's tensors out of a pretraining model.

    Args:
        state: State dict of `mmsoco.models.SoCo`.
        parts: The parts to keep, such as ``backbone``, ``neck``,
            ``shared_head``, ``bbox_head``; None keeps all.

    Returns:
        The online encoder's tensors under mmdet's names.

    Raises:
        ValueError: A part of ``parts`` is not there.
    """
    detector = {
        name.removeprefix(ENCODER): tensor
        for name, tensor in state.items()
        if name.startswith(ENCODER)
    }
    detector = {
        name: tensor
        for name, tensor in detector.items()
        if not name.startswith(NOT_EXPORTED)
    }
    available = {part_of(name) for name in detector}
    unknown = set(parts or ()) - available
    if unknown:
        raise ValueError(
            f'the weights have no part {", ".join(sorted(unknown))}; they '
            f'have {", ".join(sorted(available))}'
        )
    wanted = available if parts is None else parts
    return {n: t for n, t in detector.items() if part_of(n) in wanted}


def manifest_of(
    state: Mapping[str, Tensor],
    meta: Mapping,
    source: str | Path,
    layout: str = 'mmdet',
) -> dict:
    """Describes exported weights in plain values.

    Args:
        state: The exported tensors.
        meta: ``meta`` of the checkpoint that they come from.
        source: That checkpoint's file.
        layout: The layout of the names.

    Returns:
        ``parts`` (number of tensors of each), ``epoch``, ``iter``,
        ``config`` (the run's config as text), ``versions``, ``source`` (file
        name), ``source_sha256`` and ``layout``.
    """
    parts = Counter(part_of(name) for name in state)
    return dict(
        layout=layout,
        parts=dict(sorted(parts.items())),
        epoch=meta.get('epoch'),
        iter=meta.get('iter'),
        config=meta.get('cfg', meta.get('config', '')),
        versions=dict(
            mmsoco=__version__,
            mmdet=mmdet.__version__,
            mmengine=mmengine.__version__,
            torch=str(torch.__version__),
        ),
        source=Path(source).name,
        source_sha256=sha256(source),
    )


def export_detector(
    source: str | Path,
    target: str | Path,
    parts: Collection[str] | None = None,
    to: str = 'mmdet',
) -> dict:
    """Writes the detector of a pretraining checkpoint as a detector's weights.

    All stages of a cascade get the one pretrained trunk: they share it in
    the pretraining model, whose state dict names it once per stage.

    Args:
        source: Checkpoint of a run, the folder of a run (its newest
            checkpoint is taken), or a checkpoint that
            ``tools/model_converters/convert_reference.py`` made.
        target: The file to write: ``state_dict`` and ``meta``, the manifest;
            `torch.load` takes it weights-only. For detectron2 the pickle of
            arrays (``.pkl``) that its checkpointer reads; for torchvision the
            state dict alone, beside nothing.
        parts: See `detector_state`.
        to: A key of `CONVERSIONS`.

    Returns:
        The manifest.

    Raises:
        FileNotFoundError: ``source`` does not exist.
        ValueError: ``source`` has another layout, or lacks a part.
        OSError: ``target`` could not be written.
    """
    source = io.find_checkpoint(source)
    checkpoint = io.load_run(source)
    state = io.state_dict_of(checkpoint, source)
    check_layout(state, 'mmsoco', source)
    exported = detector_state(state, parts)
    manifest = manifest_of(exported, checkpoint.get('meta', {}), source, to)
    write_detector(CONVERSIONS[to](exported), manifest, target)
    return manifest


def write_detector(
    state: Mapping[str, Tensor], manifest: Mapping, target: str | Path
) -> None:
    """Writes weights in the kind of file that their program reads.

    Args:
        state: The tensors under that program's names.
        manifest: See `manifest_of`.
        target: The file to write.

    Raises:
        OSError: It could not be written.
    """
    if manifest['layout'] == 'mmdet':
        io.save_atomic(dict(state_dict=state, meta=manifest), target)
    elif manifest['layout'] == 'detectron2':
        arrays = {name: tensor.numpy() for name, tensor in state.items()}
        content = dict(
            model=arrays,
            __author__='mmsoco',
            matching_heuristics=False,
            meta=dict(manifest, input=foreign.INPUT),
        )
        with atomic_path(target) as partial:
            partial.write_bytes(pickle.dumps(content))
    else:
        io.save_atomic(state, target)


def describe(manifest: Mapping) -> str:
    """A manifest as lines of text, without the config."""
    lines = [
        f'{key}: {value}'
        for key, value in manifest.items()
        if key not in ('config', 'parts', 'versions')
    ]
    for key in ('parts', 'versions'):
        entries = manifest.get(key) or {}
        lines += [f'{key}:'] + [f'  {k}: {v}' for k, v in entries.items()]
    return '\n'.join(lines)
