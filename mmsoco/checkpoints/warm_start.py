"""Start pretraining from an existing detector or backbone."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.logging import print_log
from torch import Tensor, nn

from mmsoco.structures import InputConvention

from . import io
from .incoming import to_mmdet
from .layouts import PRETRAINED_PARTS, is_pretrainable
from .load_report import LoadReport, compare, part_of
from .locations import load_weights

SCRATCH = 'scratch'
_REMEDY = (
    'Give the detector that these weights were made for (--detector CONFIG; '
    'in a config, SoCo(detector=...)), or take fewer parts: '
    "init=dict(checkpoint=..., parts=['backbone'])."
)


class Start(NamedTuple):
    """Where the weights of some parts come from.

    Attributes:
        checkpoint: A location, see `mmsoco.checkpoints.locations`.
        parts: The parts to take, of `PRETRAINED_PARTS`; None takes all that
            the file has.
        prefix: Prefix of the names to take, which is removed; None takes all.
    """

    checkpoint: str
    parts: tuple[str, ...] | None = None
    prefix: str | None = None


def parse_starts(init: str | dict | None, detector: Mapping) -> list[Start]:
    """Parse the weights that pretraining starts from.

    Args:
        init: A location of weights; a dict with the fields of `Start`;
            ``'scratch'`` for random weights; None to use the detector's own
            config.
        detector: Config of the detector.

    Returns:
        The weights to load, in order; none for a start from scratch.

    Raises:
        TypeError: If ``init`` is something else.
        ValueError: If it is a dict with other keys, a part is unknown, or the
            detector's config names no file of its pretrained weights.
    """
    if init is None:
        return [*_starts_of_config(detector)]
    if isinstance(init, (str, Path)):
        return [] if init == SCRATCH else [Start(str(init))]
    if not isinstance(init, Mapping):
        raise TypeError(
            "init must be a file of weights, 'scratch', or a dict with "
            f'{", ".join(Start._fields)}; got {type(init).__name__}'
        )
    if 'checkpoint' not in init or not set(init) <= set(Start._fields):
        raise ValueError(
            'init needs the key checkpoint and may have parts and prefix, '
            f'got {sorted(init)}'
        )
    parts = init.get('parts')
    unknown = set(parts or ()) - set(PRETRAINED_PARTS)
    if isinstance(parts, str) or unknown:
        raise ValueError(
            f'init.parts must be a list of {", ".join(PRETRAINED_PARTS)}; '
            f'got {parts!r}'
        )
    return [
        Start(init['checkpoint'], parts and tuple(parts), init.get('prefix'))
    ]


def _starts_of_config(detector: Mapping) -> Iterator[Start]:
    """Find the pretrained weights that a detector's config asks for."""
    roi_head = detector.get('roi_head') or {}
    places = (
        ('', detector, None),
        ('backbone', detector.get('backbone'), ('backbone',)),
        ('neck', detector.get('neck'), ('neck',)),
        ('shared_head', roi_head.get('shared_head'), ('shared_head',)),
    )
    for name, part, parts in places:
        if not isinstance(part, Mapping):
            continue
        for entry in _pretrained(part):
            if not isinstance(entry.get('checkpoint'), str):
                raise ValueError(
                    f'init_cfg of the {name or "detector"} names no '
                    f'checkpoint: {dict(entry)}'
                )
            yield Start(entry['checkpoint'], parts, entry.get('prefix'))


def _pretrained(part: Mapping) -> list[Mapping]:
    """Return the entries of a part's config that load a file."""
    if isinstance(part.get('pretrained'), str):  # mmdet 2's spelling
        return [dict(checkpoint=part['pretrained'])]
    entries = part.get('init_cfg') or ()
    entries = [entries] if isinstance(entries, Mapping) else entries
    return [e for e in entries if e.get('type') == 'Pretrained']


def load_start(
    encoder: nn.Module, start: Start, convention: InputConvention | None = None
) -> LoadReport:
    """Load weights of any known layout into the online encoder.

    Args:
        encoder: An object encoder, with the detector's parts of pretexts if
            there are any; the names are the detector's.
        start: What to load.
        convention: The input of the model, which is compared with that of the
            file; None skips the comparison.

    Returns:
        What arrived, by value.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it holds no weights or some that are not finite, has an
            unknown layout, was made for another input, or a part of it did not
            arrive completely.
    """
    checkpoint = load_weights(start.checkpoint)
    return apply_start(encoder, checkpoint, start, convention)


def apply_start(
    encoder: nn.Module,
    checkpoint: Mapping[str, Any],
    start: Start,
    convention: InputConvention | None = None,
) -> LoadReport:
    """Load the content of a checkpoint file; see `load_start`."""
    source = start.checkpoint
    state = io.weights_of(checkpoint, source)
    if convention is not None:
        convention.check_file(checkpoint.get('meta'), source)
    if start.prefix:
        state = _below(state, start.prefix, source)
    renamed, layout = to_mmdet(state)
    own = _unshared(encoder)
    wanted = _as_in_model(
        renamed, encoder, own, start.parts or _default_parts(own)
    )
    compared = partial(compare, source=str(source), door='init', layout=layout)
    _check_parts(wanted, start, layout)
    compared(wanted, own).check(remedy=_REMEDY)
    encoder.load_state_dict(wanted, strict=False)
    report = compared(wanted, _unshared(encoder), by_value=True)
    report.check(remedy=_REMEDY)
    print_log(
        f'Start from {source} ({layout}): {report.summary()}\n'
        f'{report.table()}',
        logger='current',
    )
    return report


def _below(
    state: Mapping[str, Tensor], prefix: str, source: str
) -> dict[str, Tensor]:
    """Return the tensors below a prefix, without it."""
    prefix = prefix if prefix.endswith('.') else f'{prefix}.'
    below = {
        name.removeprefix(prefix): tensor
        for name, tensor in state.items()
        if name.startswith(prefix)
    }
    if not below:
        raise ValueError(
            f'{source} has no tensors below the prefix {prefix!r}; it has '
            f'{", ".join(sorted(state)[:3])}, ...'
        )
    return below


def _unshared(encoder: nn.Module) -> dict[str, Tensor]:
    """Return the state dict with each tensor once, under its first name.

    The stages of a cascade share one trunk in the encoder, so the first
    stage's names stand for all.
    """
    persistent = encoder.state_dict()
    names = chain(encoder.named_parameters(), encoder.named_buffers())
    return {n: persistent[n] for n, _ in names if n in persistent}


def _as_in_model(
    state: Mapping[str, Tensor],
    encoder: nn.Module,
    own: Mapping[str, Tensor],
    parts: Sequence[str],
) -> dict[str, Tensor]:
    """Choose the tensors to load, under the names of the encoder.

    In C4 detectors, the last stage of a ResNet belongs to the RoI head. Of a
    cascade's trunks, the first one is taken, since it gets the proposals.
    """
    in_head = 'roi_head.shared_head.layer4.'
    moves_stage = not any(n.startswith('backbone.layer4.') for n in own)
    moves_stage &= any(n.startswith(in_head) for n in own)
    shared = set(encoder.state_dict()) - set(own)
    chosen = {}
    for name, tensor in state.items():
        if moves_stage and name.startswith('backbone.layer4.'):
            name = in_head + name.removeprefix('backbone.layer4.')
        if name not in shared and is_pretrainable(name, parts):
            chosen[name] = tensor
    return chosen


def _default_parts(own: Mapping[str, Tensor]) -> list[str]:
    """Return the parts to take: an RPN only if the model has one."""
    trains_rpn = any(part_of(name) == 'rpn_head' for name in own)
    return [p for p in PRETRAINED_PARTS if trains_rpn or p != 'rpn_head']


def _check_parts(
    state: Mapping[str, Tensor], start: Start, layout: str
) -> None:
    """Refuse a file without a part that was asked for."""
    there = {part_of(name) for name in state}
    missing = [part for part in start.parts or () if part not in there]
    if missing or not there:
        wanted = missing or PRETRAINED_PARTS
        raise ValueError(
            f'{start.checkpoint} (layout: {layout}) has no weights of '
            f'{", ".join(wanted)}'
            + (f'; it has {", ".join(sorted(there))}' if there else '')
        )
