"""Export weights that a detector loads key by key."""

import pickle
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import mmdet
import mmengine
import torch
from torch import Tensor

from mmsoco.structures import InputConvention
from mmsoco.utils.files import atomic_path, sha256
from mmsoco.version import __version__

from . import foreign, io
from .incoming import to_mmdet
from .integrity import CHECKSUM, tensors_sha256
from .layouts import check_resnet, is_pretrainable
from .load_report import depends_on_classes, is_counter, part_of
from .locations import load_weights
from .newest import find_checkpoint

CONVERSIONS: dict[str, Callable[[Mapping[str, Tensor]], dict]] = {
    'mmdet': dict,
    'detectron2': foreign.to_detectron2,
    'torchvision': foreign.to_torchvision_detector,
    'torchvision-backbone': foreign.to_torchvision_backbone,
}


def detector_state(
    state: Mapping[str, Tensor], parts: Collection[str] | None = None
) -> dict[str, Tensor]:
    """Take the detector's tensors out of weights of any known layout.

    Args:
        state: State dict of `mmsoco.models.SoCo`, of a detector of mmdet, or
            of another program, see `mmsoco.checkpoints.incoming`.
        parts: The parts to keep, such as ``backbone``, ``neck``,
            ``shared_head``, ``bbox_head``, ``rpn_head``; None keeps all.

    Returns:
        The tensors under mmdet's names. Of a pretraining model, these are the
        tensors of the online encoder and of the pretexts.

    Raises:
        ValueError: If the layout is unknown, or a part of ``parts`` is not
            there.
    """
    detector, _ = to_mmdet(state)
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
    """Describe exported weights in plain values.

    Args:
        state: The exported tensors.
        meta: ``meta`` of the checkpoint that they come from.
        source: That checkpoint's file.
        layout: The layout of the names.

    Returns:
        ``parts`` (number of tensors of each, without counters of batch
        norm), ``input`` (see `InputConvention`; None if the source does not
        say), ``epoch``, ``iter``, ``config`` (the run's config as text),
        ``versions``, ``source`` (file name), ``source_sha256`` and
        ``layout``; with the layers of classes also ``dataset_meta``, from
        which mmdet's inference takes their names.
    """
    parts = Counter(part_of(n) for n in state if not is_counter(n))
    convention = InputConvention.of_meta(meta)
    manifest = dict(
        layout=layout,
        input=convention and convention.to_meta(),
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
    if meta.get('dataset_meta') and any(map(depends_on_classes, state)):
        manifest['dataset_meta'] = meta['dataset_meta']
    return manifest


def export_detector(
    source: str | Path,
    target: str | Path,
    parts: Collection[str] | None = None,
    to: str = 'mmdet',
) -> dict:
    """Write the detector in a checkpoint to a file of weights.

    All stages of a cascade get the same pretrained trunk: they share it in the
    pretraining model, whose state dict names it once per stage.

    Args:
        source: Checkpoint of a pretraining run, the folder of a run (its
            newest checkpoint is taken), or weights of any known layout, see
            `mmsoco.checkpoints.incoming`.
        target: The file to write: ``state_dict`` and ``meta``, the manifest;
            `torch.load` reads it with ``weights_only=True``. For detectron2,
            it is the pickle of arrays (``.pkl``) that its checkpointer reads;
            for torchvision, only the state dict.
        parts: See `detector_state`. Other programs get the parts that
            pretraining trains, since only these have names there.
        to: A key of `CONVERSIONS`.

    Returns:
        The manifest.

    Raises:
        FileNotFoundError: If ``source`` does not exist.
        ValueError: If ``source`` has an unknown layout, lacks a part or a
            piece of its ResNet, holds weights that are not finite, or was
            trained on an input that torchvision does not give; or if
            ``target`` has a name that detectron2 cannot read.
        OSError: If ``target`` could not be written.
    """
    source = find_checkpoint(source)
    if Path(source).resolve() == Path(target).resolve():
        raise ValueError(
            f'--out {target} is the checkpoint to export, which would be '
            'lost; choose another name'
        )
    if to == 'detectron2' and Path(target).suffix != '.pkl':
        raise ValueError(
            f'--out {target}: detectron2 knows a file of arrays by the ending '
            f'.pkl and cannot read it under another one; name it '
            f'{Path(target).with_suffix(".pkl")}'
        )
    checkpoint = load_weights(source)
    state = io.weights_of(checkpoint, source)
    try:
        exported = detector_state(state, parts)
    except ValueError as error:
        raise ValueError(f'{source}: {error}') from error
    if to != 'mmdet':
        exported = {n: t for n, t in exported.items() if is_pretrainable(n)}
    if to == 'torchvision':
        exported = foreign.without_other_rpn(exported)
    check_resnet(exported, source)
    meta = checkpoint.get('meta') or {}
    convention = InputConvention.of_meta(meta) or InputConvention()
    if to.startswith('torchvision'):
        foreign.check_input_of_torchvision(convention)
    manifest = manifest_of(exported, meta, source, to)
    if to == 'detectron2':
        manifest['input'] = foreign.input_for_detectron2(convention)
    converted = CONVERSIONS[to](exported)
    manifest[CHECKSUM] = tensors_sha256(converted)
    write_detector(converted, manifest, target)
    return manifest


def write_detector(
    state: Mapping[str, Tensor], manifest: Mapping, target: str | Path
) -> None:
    """Write weights in the file format of the program that reads them.

    Args:
        state: The tensors under that program's names.
        manifest: See `manifest_of`.
        target: The file to write.

    Raises:
        OSError: If it could not be written.
    """
    if manifest['layout'] == 'mmdet':
        io.save_atomic(dict(state_dict=state, meta=manifest), target)
    elif manifest['layout'] == 'detectron2':
        arrays = {name: tensor.numpy() for name, tensor in state.items()}
        content = dict(
            model=arrays,
            __author__='mmsoco',
            matching_heuristics=False,
            meta=manifest,
        )
        with atomic_path(target) as partial:
            partial.write_bytes(pickle.dumps(content))
    else:
        io.save_atomic(state, target)


def describe(manifest: Mapping) -> str:
    """Return a manifest as lines of text, without config and classes."""
    lines = [
        f'{key}: {value}'
        for key, value in manifest.items()
        if key not in ('config', 'dataset_meta', 'parts', 'versions')
    ]
    for key in ('parts', 'versions'):
        entries = manifest.get(key) or {}
        lines += [f'{key}:'] + [f'  {k}: {v}' for k, v in entries.items()]
    return '\n'.join(lines)
